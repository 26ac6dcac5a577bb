"""Optimizers at their edges, and which parameters they decay."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bert_jax.model import BertConfig, BertForPretraining, Execution
from bert_jax.training.optimizer import (
    OptimizerConfig,
    clip_by_global_norm,
    decay_mask,
    make_optimizer,
    skippable,
)
from bert_jax.training.state import path_of

NO_DECAY = ("/bias$", "layer_norm/scale$")


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


def first_update(settings, params, gradient):
    """What the first step adds to the parameters at a learning rate of 1."""
    optimizer = make_optimizer(settings)
    updates, _ = optimizer.update(gradient, optimizer.init(params), params, rate=1.0)
    return updates


def test_no_clipping_leaves_large_gradients():
    settings = config(clip_norm=0.0, weight_decay=0.0, beta1=0.0, epsilon=100.0)
    params = {"kernel": jnp.zeros(3)}
    update = first_update(settings, params, {"kernel": jnp.full(3, 1e3)})
    # Second moment 0.001 x 1e6, its root 31.6; a gradient clipped to 1 would give 0.006.
    np.testing.assert_allclose(update["kernel"], -1e3 / (np.sqrt(1e3) + 100.0), rtol=1e-6)


def test_lamb_takes_the_plain_step_where_a_parameter_is_all_zeros():
    params = {"kernel": jnp.zeros(3), "embedding": jnp.full(3, 2.0)}
    gradient = {"kernel": jnp.array([0.3, -0.2, 0.1]), "embedding": jnp.array([0.3, -0.2, 0.1])}
    settings = {"weight_decay": 0.0, "epsilon": 0.0}
    plain = first_update(config(name="adamw", **settings), params, gradient)
    scaled = first_update(config(name="lamb", **settings), params, gradient)
    np.testing.assert_array_equal(scaled["kernel"], plain["kernel"])
    np.testing.assert_allclose(scaled["embedding"], 2.0 * plain["embedding"], rtol=1e-6)


@pytest.mark.parametrize("name", ["bert_adamw", "lamb"])
def test_a_first_moment_of_two_bytes_rounds_what_is_kept_and_nothing_else(name):
    rng = np.random.default_rng(0)
    params = {"kernel": jnp.asarray(rng.standard_normal((8, 8)), jnp.float32)}
    gradients = [{"kernel": jnp.asarray(rng.standard_normal((8, 8)), jnp.float32)} for _ in "1234"]

    def take(dtype):
        optimizer = make_optimizer(config(name=name, mu_dtype=dtype, clip_norm=0.0))
        state, found = optimizer.init(params), []
        for gradient in gradients:
            update, state = optimizer.update(gradient, state, params, rate=1.0)
            found.append(np.asarray(update["kernel"]))
        moments = [leaf.dtype for leaf in jax.tree.leaves(state) if leaf.shape == (8, 8)]
        return found, moments

    whole, of_whole = take("float32")
    half, of_half = take("bfloat16")
    assert of_whole == [jnp.float32, jnp.float32] and of_half == [jnp.bfloat16, jnp.float32]
    np.testing.assert_array_equal(half[0], whole[0])  # what is kept is not yet used
    scale = np.abs(whole[-1]).max()
    assert 0 < np.abs(half[-1] - whole[-1]).max() < 0.01 * scale


@pytest.mark.parametrize(
    "optimizer",
    [
        make_optimizer(config(name="bert_adamw")),
        make_optimizer(config(name="adamw", mu_dtype="bfloat16")),
        make_optimizer(config(name="lamb")),
        skippable(optax.lion(0.1)),
    ],
    ids=["bert_adamw", "adamw", "lamb", "one of optax's"],
)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_step_that_is_not_taken_leaves_no_trace(optimizer, bad):
    params = {"kernel": jnp.array([0.5, -2.0, 1.0])}
    good = {"kernel": jnp.array([0.3, -0.2, 0.1])}
    spoilt = {"kernel": good["kernel"].at[1].set(bad)}
    first = optimizer.init(params)
    _, second = optimizer.update(good, first, params, rate=1.0)
    for state in (first, second):
        update, after = optimizer.update(spoilt, state, params, rate=1.0, taken=jnp.array(False))
        np.testing.assert_array_equal(update["kernel"], np.zeros(3))
        for one, other in zip(jax.tree.leaves(after), jax.tree.leaves(state), strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    taken, _ = optimizer.update(good, after, params, rate=1.0, taken=jnp.array(True))
    assert np.abs(taken["kernel"]).min() > 0


def test_gradients_are_clipped_as_by_optax():
    gradients = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([[4.0]])}
    for limit in (1.0, 5.0, 7.0):
        found, _ = clip_by_global_norm(limit).update(gradients, optax.EmptyState())
        wanted, _ = optax.clip_by_global_norm(limit).update(gradients, optax.EmptyState())
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_second_moment_of_two_bytes_would_stand_still():
    before = jnp.bfloat16(1.0)
    assert jnp.bfloat16(0.999 * jnp.float32(before)) == before
    with pytest.raises(ValueError, match="mu_dtype='float16' must be one of float32, bfloat16"):
        config(mu_dtype="float16")


def test_lamb_leaves_a_parameter_of_zeros_without_gradient_where_it_is():
    params = {"kernel": jnp.zeros(3)}
    update = first_update(config(name="lamb"), params, params)
    np.testing.assert_array_equal(update["kernel"], np.zeros(3))


def test_moments_that_forget_everything_need_no_correction():
    params, gradient = {"kernel": jnp.ones(3)}, {"kernel": jnp.array([0.3, -0.2, 0.1])}
    settings = config(name="adamw", beta1=0.0, beta2=0.0, weight_decay=0.0, epsilon=0.0)
    np.testing.assert_allclose(first_update(settings, params, gradient)["kernel"], [-1, 1, -1])


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
