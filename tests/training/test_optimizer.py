"""Optimizers against the formulas they were published with."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bert_jax.model import BertConfig, BertForPretraining, Execution
from bert_jax.training.optimizer import OptimizerConfig, decay_mask, make_optimizer
from bert_jax.training.schedules import Schedule, learning_rate
from bert_jax.training.state import path_of

NO_DECAY = ("/bias$", "layer_norm/scale$")
STEPS = 100


def config(**changes):
    values = {
        "name": "bert_adamw",
        "learning_rate": 1e-2,
        "warmup_steps": 10,
        "schedule": "linear",
        "end_learning_rate": 0.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-6,
        "weight_decay": 0.01,
        "no_decay": NO_DECAY,
        "clip_norm": 1.0,
    }
    return OptimizerConfig(**values | changes)


@pytest.fixture(scope="module")
def start():
    rng = np.random.default_rng(0)
    return {
        "dense": {"kernel": rng.normal(size=(4, 3)), "bias": rng.normal(size=3)},
        "layer_norm": {"scale": rng.normal(size=3), "bias": np.zeros(3)},
    }


@pytest.fixture(scope="module")
def gradients(start):
    """One gradient a step; their norms lie on both sides of 1."""
    rng = np.random.default_rng(1)
    return [
        jax.tree.map(lambda x, scale=scale: scale * rng.normal(size=x.shape), start)
        for scale in rng.uniform(0.05, 1.0, STEPS)
    ]


def trained(settings, start, gradients):
    """The parameters after all gradients, by the code under test."""
    rate = learning_rate(Schedule(settings.learning_rate, 10, "linear", 0.0), STEPS)
    optimizer = make_optimizer(settings, rate)

    @jax.jit
    def update(params, state, gradient):
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    params = jax.tree.map(jnp.asarray, start)
    state = optimizer.init(params)
    for gradient in gradients:
        params, state = update(params, state, jax.tree.map(jnp.asarray, gradient))
    return params


def expected(settings, start, gradients, *, corrected, trust):
    """The same in NumPy and float64, written from the papers and Google's optimization.py."""
    params = {(a, b): v.copy() for a, group in start.items() for b, v in group.items()}
    m = {name: np.zeros_like(v) for name, v in params.items()}
    v = {name: np.zeros_like(x) for name, x in params.items()}
    for step, tree in enumerate(gradients):
        gradient = {(a, b): g for a, group in tree.items() for b, g in group.items()}
        norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        decay = settings.learning_rate * (1 - step / STEPS)
        rate = settings.learning_rate * step / 10 if step < 10 else decay
        for name in params:
            g = gradient[name] * min(1.0, settings.clip_norm / norm)
            m[name] = settings.beta1 * m[name] + (1 - settings.beta1) * g
            v[name] = settings.beta2 * v[name] + (1 - settings.beta2) * g**2
            first, second = m[name], v[name]
            if corrected:
                first = first / (1 - settings.beta1 ** (step + 1))
                second = second / (1 - settings.beta2 ** (step + 1))
            update = first / (np.sqrt(second) + settings.epsilon)
            if name == ("dense", "kernel"):
                update = update + settings.weight_decay * params[name]
                if trust:
                    ratio = np.linalg.norm(params[name]) / np.linalg.norm(update)
                    update = update * ratio
            params[name] = params[name] - rate * update
    return params


FORMULAS = {
    "bert_adamw": {"corrected": False, "trust": False},
    "adamw": {"corrected": True, "trust": False},
    "lamb": {"corrected": True, "trust": True},
}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_optimizer_follows_its_formula_over_a_hundred_steps(name, start, gradients):
    settings = config(name=name, weight_decay=0.1)
    result = trained(settings, start, gradients)
    wanted = expected(settings, start, gradients, **FORMULAS[name])
    for (group, leaf), value in wanted.items():
        assert np.abs(value - start[group][leaf]).max() > 0.02
        np.testing.assert_allclose(result[group][leaf], value, rtol=1e-6, atol=1e-6)


def test_google_s_own_test_of_its_optimizer_passes():
    """Numbers of google-research/bert, optimization_test.py."""
    settings = config(learning_rate=0.2, weight_decay=0.0, clip_norm=0.0)
    optimizer = make_optimizer(settings, optax.constant_schedule(0.2))
    target = jnp.array([0.4, 0.2, -0.5])
    x = jnp.array([0.1, -0.2, -0.1])
    state = optimizer.init(x)
    gradient = jax.grad(lambda x: jnp.mean((target - x) ** 2))

    @jax.jit
    def update(x, state):
        updates, state = optimizer.update(gradient(x), state, x)
        return optax.apply_updates(x, updates), state

    for _ in range(100):
        x, state = update(x, state)
    np.testing.assert_allclose(x, [0.4, 0.2, -0.5], atol=1e-2)


def test_no_clipping_leaves_large_gradients(start):
    optimizer = make_optimizer(config(clip_norm=0.0, weight_decay=0.0), lambda step: 1.0)
    params = jax.tree.map(jnp.asarray, start)
    gradient = jax.tree.map(lambda x: jnp.full(x.shape, 1e3), params)
    _, state = optimizer.update(gradient, optimizer.init(params), params)
    assert float(state[0].mu["dense"]["bias"][0]) == pytest.approx(100.0)


@pytest.mark.parametrize("normalization", ["post", "pre"])
@pytest.mark.parametrize("tied", [True, False])
def test_biases_and_layer_norms_are_not_decayed_and_all_else_is(normalization, tied):
    model = BertConfig(64, 32, 2, 4, 64, normalization=normalization, tie_word_embeddings=tied)
    ids = jnp.zeros((1, 2), jnp.int32)
    module = BertForPretraining(model, Execution())
    params = jax.eval_shape(lambda: module.init(jax.random.key(0), ids, ids, ids, ids)["params"])
    mask = jax.tree_util.tree_leaves_with_path(decay_mask(params, NO_DECAY))
    found = {path_of(path): decayed for path, decayed in mask}
    wanted = {path: path.split("/")[-1] not in ("bias", "scale") for path in found}
    assert found == wanted
    # Three embeddings, six kernels a layer, pooler, transform, next sentence, and the decoder.
    assert sum(found.values()) == 3 + 2 * 6 + 3 + (not tied)
