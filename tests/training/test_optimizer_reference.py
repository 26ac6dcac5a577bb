"""Optimizers against what they were published as: formulas in NumPy, and PyTorch's own numbers.

In float64 the code has to follow a formula to the last digits, so that nothing hides in rounding,
not even where epsilon stands. In float32, as it runs, a hundred steps round each parameter a
hundred times by up to 6e-8 of its size, at random: 6e-7; hence the tolerance of 1e-6.
All are of the largest entry of an array, since an entry that crosses zero has no relative error.
"""

import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bert_jax.training.optimizer import OptimizerConfig, make_optimizer
from bert_jax.training.schedules import Schedule, learning_rate, tabulated
from configs import pretrain

GOLDEN = Path(__file__).parent / "goldens" / "adamw.json"
STEPS, WARMUP, PEAK = 100, 10, 1e-2
BETA1, BETA2, DECAY, CLIP = 0.9, 0.999, 0.1, 1.0
GOOGLE_EXCLUDES = ("LayerNorm", "layer_norm", "bias")
TOLERANCES = {"float32": 1e-6, "float64": 1e-12}


def settings(profile, **changes):
    """An optimizer as `configs/pretrain.py` sets it, with a decay strong enough to be seen."""
    values = pretrain.get_config(f"tiny,cpu,{profile}").optimizer.to_dict()
    changes = {"learning_rate": PEAK, "warmup_steps": WARMUP, "weight_decay": DECAY} | changes
    return OptimizerConfig(**values | changes)


def trained(config, rates, start, gradients, dtype):
    """The parameters after each gradient, by the code under test.

    Schedules count in float32; in float64 the published rates stand in for them.
    """
    with jax.enable_x64(dtype == "float64"):
        schedule = Schedule(config.learning_rate, config.warmup_steps, config.schedule, 0.0)
        if dtype == "float32":
            rates = tabulated(learning_rate(schedule, len(gradients)), len(gradients))
        optimizer = make_optimizer(config)

        @jax.jit
        def update(params, state, gradient, rate):
            updates, state = optimizer.update(gradient, state, params, rate=rate)
            return optax.apply_updates(params, updates), state

        def convert(tree):
            return {name: jnp.asarray(np.asarray(x), dtype) for name, x in tree.items()}

        params = convert(start)
        state, after = optimizer.init(params), []
        for gradient, rate in zip(gradients, rates, strict=True):
            params, state = update(params, state, convert(gradient), jnp.asarray(rate, dtype))
            after.append(jax.device_get(params))
    assert all(x.dtype == dtype for x in after[-1].values())
    return after


def distance(found, wanted):
    """The largest difference, relative to the largest entry of its array."""
    wanted = {name: np.asarray(x) for name, x in wanted.items()}
    return max(np.abs(found[name] - x).max() / np.abs(x).max() for name, x in wanted.items())


@pytest.fixture(scope="module")
def start():
    rng = np.random.default_rng(0)
    return {
        "dense/kernel": rng.normal(size=(4, 3)),
        "dense/bias": rng.normal(size=3),
        "quiet/embedding": rng.normal(size=(5, 2)),
        "layer_norm/scale": rng.normal(size=3),
        "layer_norm/bias": np.zeros(3),
    }


@pytest.fixture(scope="module")
def gradients(start):
    """One gradient a step; norms lie on both sides of 1, those of `quiet` near epsilon."""
    rng = np.random.default_rng(1)
    sizes = {name: 1e-6 if name.startswith("quiet") else 1.0 for name in start}
    return [
        {name: scale * sizes[name] * rng.normal(0.3, size=x.shape) for name, x in start.items()}
        for scale in rng.uniform(0.05, 1.0, STEPS)
    ]


# What is subtracted, times the rate, from parameter x at step t = 1, 2, ...


def google_update(x, m, v, t, decayed):
    """google-research/bert, optimization.py: AdamWeightDecayOptimizer."""
    update = m / (np.sqrt(v) + 1e-6)
    return update + DECAY * x if decayed else update


def adamw_update(x, m, v, t, decayed):
    """Loshchilov & Hutter 2017 (arXiv:1711.05101), algorithm 2, decay times the rate."""
    update = m / (1 - BETA1**t) / (np.sqrt(v / (1 - BETA2**t)) + 1e-8)
    return update + DECAY * x if decayed else update


def lamb_update(x, m, v, t, decayed):
    """You et al. 2019 (arXiv:1904.00962), algorithm 2, with phi the identity."""
    update = m / (1 - BETA1**t) / (np.sqrt(v / (1 - BETA2**t)) + 1e-6)
    if not decayed:  # as their code has it: neither decay nor trust ratio
        return update
    update = update + DECAY * x
    return np.linalg.norm(x) / np.linalg.norm(update) * update


def google_rate(step):
    """Decay counts from step 0; warm-up overrides it while it lasts."""
    return PEAK * step / WARMUP if step < WARMUP else PEAK * (1 - step / STEPS)


def huggingface_rate(step):
    """Decay counts from the end of warm-up."""
    return PEAK * min(step / WARMUP, (STEPS - step) / (STEPS - WARMUP))


def published(update, rate, start, gradients):
    """The parameters after all gradients, in float64."""
    params = dict(start)
    m = {name: np.zeros_like(x) for name, x in start.items()}
    v = {name: np.zeros_like(x) for name, x in start.items()}
    for step, gradient in enumerate(gradients):
        norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        for name, x in params.items():
            g = gradient[name] * min(1.0, CLIP / norm)
            m[name] = BETA1 * m[name] + (1 - BETA1) * g
            v[name] = BETA2 * v[name] + (1 - BETA2) * g**2
            decayed = not any(re.search(word, name) for word in GOOGLE_EXCLUDES)
            params[name] = x - rate(step) * update(x, m[name], v[name], step + 1, decayed)
    return params


CASES = {
    "bert_adamw": (settings("google"), google_update, google_rate),
    "adamw": (settings("huggingface"), adamw_update, huggingface_rate),
    "lamb": (settings("google", name="lamb"), lamb_update, google_rate),
}


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", CASES)
def test_a_hundred_steps_follow_the_published_formula(name, dtype, start, gradients):
    config, update, rate = CASES[name]
    assert config.name == name
    rates = [rate(step) for step in range(STEPS)]
    found = trained(config, rates, start, gradients, dtype)[-1]
    wanted = published(update, rate, start, gradients)
    assert all(np.abs(wanted[key] - x).max() > 0.02 for key, x in start.items())
    assert distance(found, wanted) < TOLERANCES[dtype]


def test_the_gradients_of_these_tests_are_clipped_at_some_steps_and_not_at_others(gradients):
    norms = [np.sqrt(sum((g**2).sum() for g in gradient.values())) for gradient in gradients]
    assert 10 < sum(norm > CLIP for norm in norms) < STEPS - 10


@pytest.mark.parametrize(
    ("shape", "formula"), [("linear", google_rate), ("linear_after_warmup", huggingface_rate)]
)
def test_the_rate_of_every_step_is_that_of_the_published_schedule(shape, formula):
    rate = learning_rate(Schedule(PEAK, WARMUP, shape, 0.0), STEPS)
    steps = range(STEPS + 1)
    # Float32 again; near the last step the rate is a small difference of larger numbers.
    np.testing.assert_allclose(
        [float(rate(step)) for step in steps],
        [formula(step) for step in steps],
        rtol=1e-6,
        atol=1e-7 * PEAK,
    )


# Differences from PyTorch: it shrinks a parameter by (1 - rate x decay) before the step and we
# subtract rate x (step + decay x parameter), which is the same since the step does not depend on
# the parameter. It clips by 1 / (norm + 1e-6) instead of 1 / norm: up to 1e-6 of a clipped
# gradient, hence up to 1e-8 of a parameter here (rate 1e-2), and no 1e-12 in float64.
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 5e-8)])
def test_adamw_gives_the_numbers_of_pytorch_at_every_step(dtype, tolerance):
    golden = json.loads(GOLDEN.read_text())
    changes = {key: golden[key] for key in ("learning_rate", "warmup_steps", "weight_decay")}
    config = settings("huggingface", **changes)
    # Our paths have a slash before the last name, which the patterns of `no_decay` look for.
    start = {f"dense/{name}": x for name, x in golden["start"].items()}
    gradients = [{f"dense/{k}": x for k, x in g.items()} for g in golden["gradients"]]
    found = trained(config, golden["rates"], start, gradients, dtype)
    assert len(found) == golden["steps"]
    for ours, theirs in zip(found, golden["after"], strict=True):
        assert distance(ours, {f"dense/{name}": x for name, x in theirs.items()}) < tolerance


def test_the_linear_schedule_after_warm_up_gives_the_rates_of_transformers():
    golden = json.loads(GOLDEN.read_text())
    peak, warmup = golden["learning_rate"], golden["warmup_steps"]
    rate = learning_rate(Schedule(peak, warmup, "linear_after_warmup", 0.0), golden["steps"])
    found = [float(rate(step)) for step in range(golden["steps"])]
    np.testing.assert_allclose(found, golden["rates"], rtol=1e-6, atol=1e-7 * peak)


def test_google_s_own_test_of_its_optimizer_passes():
    """Numbers of google-research/bert, optimization_test.py."""
    config = settings("google", weight_decay=0.0, clip_norm=0.0)
    optimizer = make_optimizer(config)
    target = jnp.array([0.4, 0.2, -0.5])
    gradient = jax.grad(lambda x: jnp.mean((target - x) ** 2))

    @jax.jit
    def update(x, state):
        updates, state = optimizer.update(gradient(x), state, x, rate=0.2)
        return optax.apply_updates(x, updates), state

    x = jnp.array([0.1, -0.2, -0.1])
    state = optimizer.init(x)
    for _ in range(100):
        x, state = update(x, state)
    np.testing.assert_allclose(x, target, atol=1e-2)
