"""How heads attend, against a statement of it in float64 NumPy."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.model import Bert, BertConfig, Execution
from bert_jax.model.encoder import attention_probabilities

CONFIG = BertConfig(
    vocab_size=30,
    hidden_size=24,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=32,
    max_position_embeddings=9,
)
MASK = np.array([[1] * 9, [1] * 5 + [0] * 4])


def stated(hidden, layer, normalization):
    """Compute the probabilities of a layer from its input, a row and a head at a time."""
    if normalization == "pre":
        centered = hidden - hidden.mean(-1, keepdims=True)
        hidden = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-12)
        norm = layer["attention_layer_norm"]
        hidden = hidden * norm["scale"] + norm["bias"]
    query, key = (
        hidden @ layer["attention"][name]["kernel"] + layer["attention"][name]["bias"]
        for name in ("query", "key")
    )
    found = np.zeros((len(hidden), 4, 9, 9))
    for row in range(len(hidden)):
        seen = np.flatnonzero(MASK[row])
        for head in range(4):
            part = slice(6 * head, 6 * head + 6)
            weights = np.exp(query[row, :, part] @ key[row, seen, part].T / math.sqrt(6))
            found[row, head][:, seen] = weights / weights.sum(-1, keepdims=True)
    return found


@pytest.mark.parametrize("normalization", ["post", "pre"])
def test_heads_attend_as_stated_and_never_to_padding(normalization):
    config = dataclasses.replace(CONFIG, normalization=normalization)
    bert = Bert(config, Execution())
    ids = jax.random.randint(jax.random.key(1), MASK.shape, 0, 30)
    batch = ids, (ids > 15).astype(jnp.int32), jnp.asarray(MASK, jnp.int32)
    shapes = jax.eval_shape(lambda: bert.init(jax.random.key(0), *batch))["params"]
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(0.4 * rng.standard_normal(leaf.shape), jnp.float32), shapes
    )

    @jax.jit
    def both(params):
        states = bert.apply({"params": params}, *batch, method=Bert.encode)
        return states, attention_probabilities(config, params["encoder"], states, batch[2])

    states, found = both(params)
    exact, states = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (params, states))
    layers = [exact["encoder"][f"layer_{i}"] for i in range(3)]
    expected = [stated(*given, normalization) for given in zip(states[:3], layers, strict=True)]
    np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=0, atol=1e-6)
    assert np.max(found) > 0.25  # far from even, so that a mix-up is seen
    np.testing.assert_allclose(found.sum(-1), 1, rtol=0, atol=1e-6)
    assert (np.asarray(found)[1, ..., 5:] == 0).all()


def test_a_model_holds_no_more_than_its_parameters():
    batch = [jnp.ones((1, 4), jnp.int32)] * 3
    variables = jax.eval_shape(lambda: Bert(CONFIG, Execution()).init(jax.random.key(0), *batch))
    assert set(variables) == {"params"}
