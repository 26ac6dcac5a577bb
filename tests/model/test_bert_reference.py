"""The forward pass against a re-statement of BERT in float64 NumPy, written from the paper."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.model import BertConfig, BertForPretraining, Execution

HEADS = 2
IDS = np.array([[2, 17, 33, 5, 8, 3, 41, 9, 3], [2, 50, 6, 3, 12, 3, 0, 0, 0]])
SEGMENTS = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 0, 0, 0]])
MASK = np.array([[1] * 9, [1] * 6 + [0] * 3])
POSITIONS = np.array([[4, 1, 7], [2, 4, 0]])


def dense(x, p):
    return x @ p["kernel"] + p["bias"]


def normalised(x, p):
    centered = x - x.mean(-1, keepdims=True)
    return (
        centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-12) * p["scale"] + p["bias"]
    )


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def attention(x, mask, p):
    """Attend with one row and one head at a time."""
    width = x.shape[-1] // HEADS
    query, key, value = (dense(x, p[name]) for name in ("query", "key", "value"))
    context = np.zeros_like(x)
    for row in range(len(x)):
        seen = mask[row].astype(bool)
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            scores = query[row, :, part] @ key[row, seen, part].T / math.sqrt(width)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            context[row, :, part] = weights @ value[row, seen, part]
    return dense(context, p["output"])


def feed_forward(x, p):
    return dense(gelu(dense(x, p["intermediate"])), p["output"])


def reference(p, normalization):
    bert = p["bert"]
    tables = bert["embeddings"]
    x = tables["token"]["embedding"][IDS] + tables["token_type"]["embedding"][SEGMENTS]
    x = normalised(x + tables["position"]["embedding"][: IDS.shape[1]], tables["layer_norm"])
    for name in ("layer_0", "layer_1"):
        layer = bert["encoder"][name]
        first, second = layer["attention_layer_norm"], layer["feed_forward_layer_norm"]
        if normalization == "post":
            x = normalised(x + attention(x, MASK, layer["attention"]), first)
            x = normalised(x + feed_forward(x, layer["feed_forward"]), second)
        else:
            x = x + attention(normalised(x, first), MASK, layer["attention"])
            x = x + feed_forward(normalised(x, second), layer["feed_forward"])
    if normalization == "pre":
        x = normalised(x, bert["encoder"]["layer_norm"])
    head = p["masked_language_model"]
    gathered = np.stack([x[row, POSITIONS[row]] for row in range(len(x))])
    words = normalised(gelu(dense(gathered, head["transform"])), head["layer_norm"])
    words = words @ tables["token"]["embedding"].T + head["bias"]
    pooled = np.tanh(dense(x[:, 0], bert["pooler"]["dense"]))
    return words, dense(pooled, p["next_sentence"]["dense"])


def draw(path, leaf, rng):
    """Draw every parameter wide; embeddings small, so that the epsilon of 1e-12 can be told."""
    drawn = rng.standard_normal(leaf.shape) * 0.3
    name = jax.tree_util.keystr(path)
    if name.endswith("['scale']"):
        drawn += 1
    return drawn * (1e-3 if name.endswith("['embedding']") else 1)


@pytest.mark.parametrize("normalization", ["post", "pre"])
def test_the_forward_pass_is_that_of_the_paper(normalization):
    config = BertConfig(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        intermediate_size=48,
        max_position_embeddings=16,
        normalization=normalization,
    )
    model = BertForPretraining(config, Execution())
    batch = [jnp.asarray(x, jnp.int32) for x in (IDS, SEGMENTS, MASK, POSITIONS)]
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *batch))["params"]
    rng = np.random.default_rng(1)
    exact = jax.tree_util.tree_map_with_path(lambda path, leaf: draw(path, leaf, rng), shapes)
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), exact)
    found = jax.jit(model.apply)({"params": params}, *batch)
    words, next_sentence = reference(
        jax.tree.map(lambda x: np.asarray(x, np.float64), params), normalization
    )
    np.testing.assert_allclose(found.masked_language_model, words, atol=1e-5)
    np.testing.assert_allclose(found.next_sentence, next_sentence, atol=1e-5)
