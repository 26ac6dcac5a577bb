"""How weights are drawn at the start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.model import BertConfig, BertForPretraining, Execution
from bert_jax.model.config import INITIALIZERS
from bert_jax.model.layers import initializer

SIGMA = 0.02


def config(name):
    return BertConfig(64, 32, 2, 4, 64, initializer=name, initializer_range=SIGMA)


def drawn(name):
    return np.asarray(initializer(config(name))(jax.random.key(0), (1000, 1000), jnp.float32))


# Of a million draws the standard deviation is known to 0.07%.


def test_the_truncated_normal_is_cut_at_two_sigma_and_not_widened_again():
    weights = drawn("truncated_normal")
    assert 1.99 * SIGMA < np.abs(weights).max() <= 2 * SIGMA
    # sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)), the standard deviation of what is left
    assert weights.std() == pytest.approx(0.87963 * SIGMA, rel=3e-3)
    assert abs(weights.mean()) < 5e-3 * SIGMA


def test_the_normal_is_not_cut():
    weights = drawn("normal")
    assert weights.std() == pytest.approx(SIGMA, rel=3e-3)
    assert abs(weights.mean()) < 5e-3 * SIGMA
    for bound, share in {1: 0.31731, 2: 0.04550, 3: 0.00270}.items():
        assert (np.abs(weights) > bound * SIGMA).mean() == pytest.approx(share, rel=0.06)


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("tied", [True, False])
def test_every_weight_of_the_model_is_drawn_so_and_all_else_starts_at_zero_or_one(name, tied):
    settings = BertConfig(
        64, 32, 2, 4, 64, initializer=name, initializer_range=SIGMA, tie_word_embeddings=tied
    )
    ids = jnp.zeros((1, 2), jnp.int32)
    module = BertForPretraining(settings, Execution())
    params = jax.jit(module.init)(jax.random.key(1), ids, ids, ids, ids)["params"]
    weights = []
    for path, x in jax.tree_util.tree_leaves_with_path(params):
        if path[-1].key in ("kernel", "embedding", "decoder"):
            weights.append(np.ravel(x))
            assert 0.5 * SIGMA < weights[-1].std() < 1.5 * SIGMA
        else:
            assert (x == {"scale": 1.0, "bias": 0.0}[path[-1].key]).all()
    assert len(weights) == 3 + 2 * 6 + 3 + (not tied)
    outside = [(np.abs(x) > 2 * SIGMA).any() for x in weights if x.size > 500]
    assert len(outside) > 10 and all(o == (name == "normal") for o in outside)
