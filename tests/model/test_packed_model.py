"""Sequences that share a row are computed as if each had one of its own."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.model import BertConfig, BertForPretraining, Execution, Packing

CONFIG = BertConfig(
    vocab_size=60,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=16,
)
LENGTHS = ((9, 16, 5), (16, 14), (7, 3, 12, 4))  # of the sequences in each row
LENGTH, SEQUENCES = 32, 5
QUICK_COMPILATION = {"xla_backend_optimization_level": 0}


@pytest.fixture(scope="module")
def rows():
    """Ids, types and packing of three rows, longer than the model has positions."""
    ids = np.zeros((3, LENGTH), np.int32)
    types, segments, positions = np.zeros_like(ids), np.zeros_like(ids), np.zeros_like(ids)
    starts = np.zeros((3, SEQUENCES), np.int32)
    rng = np.random.default_rng(0)
    for row, lengths in enumerate(LENGTHS):
        end = 0
        for number, tokens in enumerate(lengths):
            mine = slice(end, end + tokens)
            ids[row, mine] = rng.integers(1, 60, tokens)
            types[row, mine] = np.arange(tokens) > tokens // 2
            segments[row, mine], positions[row, mine] = number + 1, np.arange(tokens)
            starts[row, number] = end
            end += tokens
    return ids, types, Packing(segments, positions, starts)


def parameters(config):
    """Draw every parameter wide, so that each has an effect."""
    ids = jnp.zeros((1, 2), jnp.int32)
    model = BertForPretraining(config, Execution())
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), ids, ids, ids, ids))["params"]
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), jnp.float32), shapes
    )


def outputs_of(config, params, execution=None):
    """Return (ids, types, mask, packing) -> hidden states, pooled vectors, next-sentence scores."""
    model = BertForPretraining(config, execution or Execution())

    @jax.jit
    def run(ids, types, mask, packing=None):
        output = model.apply(
            {"params": params}, ids, types, mask, None, packing, method=lambda m, *b: m.bert(*b)
        )
        logits = model.apply({"params": params}, ids, types, mask, mask * 0, None, packing)
        return output.hidden, output.pooled, logits.next_sentence

    return run


@pytest.mark.parametrize("normalization", ["post", "pre"])
@pytest.mark.parametrize(
    "execution",
    [Execution(), Execution(scan_layers=True, rematerialize="layer")],
    ids=["unrolled", "scanned-rematerialised"],
)
def test_packed_sequences_are_computed_as_in_rows_of_their_own(rows, normalization, execution):
    ids, types, packing = rows
    config = dataclasses.replace(CONFIG, normalization=normalization)
    run = outputs_of(config, parameters(config), execution)
    hidden, pooled, scores = run(ids, types, packing.segments, packing)
    assert pooled.shape == (3 * SEQUENCES, 32)
    compared = 0
    for row, lengths in enumerate(LENGTHS):
        for number, tokens in enumerate(lengths):
            mine = packing.segments[row] == number + 1
            # Padded to one length, so that there is one program to compile.
            alone = np.zeros((3, 1, 16), np.int32)
            alone[:, 0, :tokens] = ids[row, mine], types[row, mine], np.ones(tokens)
            expected = run(*alone)
            at = row * SEQUENCES + number
            for found, wanted in (
                (hidden[row, mine], expected[0][0, :tokens]),
                (pooled[at], expected[1][0]),
                (scores[at], expected[2][0]),
            ):
                np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-6)
                compared += np.size(found)
    assert compared > 2000
    assert np.abs(hidden[0, 0] - hidden[0, 9]).max() > 0.01  # what is compared differs


def test_a_changed_token_leaves_the_other_sequences_bit_for_bit(rows):
    ids, types, packing = rows
    run = outputs_of(CONFIG, parameters(CONFIG))
    hidden, pooled, _ = map(np.asarray, run(ids, types, packing.segments, packing))
    other = ids.copy()
    other[0, 12] = (other[0, 12] + 7) % 60  # in the second sequence of the first row
    changed, changed_pooled, _ = map(np.asarray, run(other, types, packing.segments, packing))
    second = (np.arange(3) == 0)[:, None] & (packing.segments == 2)
    assert (changed[second] != hidden[second]).any(axis=-1).all()
    np.testing.assert_array_equal(changed[~second], hidden[~second])
    differing = np.flatnonzero((changed_pooled != pooled).any(axis=-1))
    assert differing.tolist() == [1]


def test_no_gradient_reaches_another_sequence(rows):
    segments = jnp.asarray(rows[2].segments)
    model = BertForPretraining(CONFIG, Execution())
    params = parameters(CONFIG)

    @jax.jit
    def of_embeddings(embedded):
        """Sum what the encoder makes of the tokens of the first row's second sequence."""
        hidden, _ = model.apply(
            {"params": params},
            embedded,
            method=lambda m, x: m.bert.encoder(x, segments, None, segments),
        )
        return jnp.sum(jnp.where((segments[0] == 2)[:, None], jnp.sin(hidden[0]), 0))

    embedded = jax.random.normal(jax.random.key(0), (3, LENGTH, 32))
    reached = np.asarray(jax.grad(of_embeddings)(embedded) != 0).any(axis=-1)
    np.testing.assert_array_equal(reached[0], segments[0] == 2)
    assert not reached[1:].any()


def test_rows_that_are_not_packed_are_computed_without_a_word_of_packing(rows):
    """Neither a mask for each query nor positions looked up: [B, 1, T, T] and gathers cost."""
    ids, types, packing = rows
    model = BertForPretraining(CONFIG, Execution())
    params = parameters(CONFIG)

    def lowered(*packed):
        batch = ids[:, :16], types[:, :16], packing.segments[:, :16], ids[:, :4] * 0, None
        return jax.jit(model.apply).lower({"params": params}, *batch, *packed).as_text()

    cut = Packing(packing.segments[:, :16], packing.positions[:, :16], packing.starts)
    plain, packed = lowered(), lowered(cut)
    assert "tensor<3x1x16x16x" in packed
    assert "tensor<3x1x16x16x" not in plain
    assert "tensor<3x1x1x16x" in plain
    assert plain == lowered(None)
    assert packed.count("stablehlo.gather") > plain.count("stablehlo.gather")
