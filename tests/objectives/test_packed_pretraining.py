"""The same pairs and masks, packed and each in a row of its own: one loss, one gradient."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.data.packing import pack
from bert_jax.data.pairs import Pairs
from bert_jax.data.rows import RowFormat, lay_out, lengths_of
from bert_jax.model import BertConfig, BertForPretraining, Execution, initialize
from bert_jax.objectives.masking import Masked, Masking, Vocabulary
from bert_jax.objectives.pretraining import PretrainingExamples, pretraining_objective

PAD, CLS, SEP, MASK = 0, 1, 2, 3
VOCABULARY = Vocabulary(50, MASK, (PAD, CLS, SEP, MASK))
MASKING = Masking(0.15, 4, 0.8, 0.1)
CONFIG = BertConfig(50, 32, 2, 2, 64, max_position_embeddings=24, initializer_range=0.2)
ROW = RowFormat(24, PAD, CLS, SEP)
PACKED = RowFormat(24, PAD, CLS, SEP, packed_length=64, packed_sequences=6)
COUNT = 40


@pytest.fixture(scope="module")
def both():
    """The examples of 40 pairs, packed and unpacked, with the masks drawn for the packed ones."""
    rng = np.random.default_rng(0)
    a_length, b_length = rng.integers(1, 11, (2, COUNT))
    a_start, b_start = rng.integers(0, 400, (2, COUNT))
    pairs = Pairs(
        a_start, a_length, b_start, b_length, rng.random(COUNT) < 0.5, np.zeros(COUNT, bool)
    )
    shard = types.SimpleNamespace(tokens=rng.integers(4, 50, 500).astype(np.uint16))
    rows = pack(lengths_of(pairs), 64, 6)
    assert 8 <= len(rows) <= 12
    assert (rows < 0).any()
    batch = lay_out(pairs, rows, [shard], np.zeros(len(rows), np.int64), PACKED)
    examples = objective(CONFIG, packed=True).examples
    packed = examples(jax.tree.map(jnp.asarray, batch), jax.random.key(0))
    single = np.arange(COUNT)[:, None]
    alone = lay_out(pairs, single, [shard], np.zeros(COUNT, np.int64), ROW)
    masked = Masked(*(np.zeros((COUNT, 4), t) for t in (int, np.int32, np.int32, np.float32)))
    masked = masked._replace(input_ids=alone.input_ids.copy())
    filled = np.zeros(COUNT, int)
    for row, slot in zip(*np.nonzero(packed.masked.weights), strict=True):
        place = int(packed.masked.positions[row, slot])
        number = batch.segments[row, place] - 1
        pair, own = rows[row, number], place - batch.starts[row, number]
        masked.input_ids[pair, own] = packed.masked.input_ids[row, place]
        masked.positions[pair, filled[pair]] = own
        masked.labels[pair, filled[pair]] = packed.masked.labels[row, slot]
        masked.weights[pair, filled[pair]] = 1
        filled[pair] += 1
    wanted = [min(4, max(1, round(0.15 * int(n)))) for n in lengths_of(pairs)]
    np.testing.assert_array_equal(filled, wanted)
    unpacked = PretrainingExamples(jax.tree.map(jnp.asarray, masked), *map(jnp.asarray, alone[1:]))
    return jax.tree.map(jnp.asarray, packed), unpacked


def objective(config, packed, with_nsp=True):
    model = BertForPretraining(config, Execution())
    return pretraining_objective(model.apply, MASKING, VOCABULARY, with_nsp=with_nsp, packed=packed)


def outcome(config, params, examples, packed, with_nsp=True):
    own = objective(config, packed, with_nsp)
    run = jax.jit(jax.value_and_grad(own.loss, has_aux=True))
    return run(params, examples, own.weights(examples), None)


@pytest.mark.parametrize("normalization", ["post", "pre"])
@pytest.mark.parametrize("with_nsp", [True, False])
def test_loss_metrics_and_gradients_are_those_of_the_same_pairs_unpacked(
    both, normalization, with_nsp
):
    config = dataclasses.replace(CONFIG, normalization=normalization)
    params = initialize(BertForPretraining(config, Execution()), jax.random.key(1))
    packed, unpacked = (
        outcome(config, params, examples, packed, with_nsp)
        for examples, packed in zip(both, (True, False), strict=True)
    )
    (loss, metrics), gradients = packed
    (expected, expected_metrics), expected_gradients = unpacked
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    assert set(metrics) == set(expected_metrics)
    assert ("nsp_loss" in metrics) is with_nsp
    for name, ratio in metrics.items():
        assert ratio.denominator == expected_metrics[name].denominator, name
        np.testing.assert_allclose(
            ratio.numerator, expected_metrics[name].numerator, rtol=1e-5, err_msg=name
        )
    if with_nsp:
        assert metrics["nsp_loss"].denominator == COUNT
    jax.tree.map(
        lambda g, e: np.testing.assert_allclose(g, e, rtol=1e-4, atol=2e-6),
        gradients,
        expected_gradients,
    )
    moved = jax.tree.leaves(jax.tree.map(lambda g: float(jnp.abs(g).max()), gradients))
    assert np.median(moved) > 1e-3  # much more than the tolerance


def test_losses_and_gradients_of_parts_add_up_to_the_whole(both):
    """Parts have different numbers of pairs; each pair counts the same."""
    examples = both[0]
    own = objective(CONFIG, packed=True)
    params = initialize(BertForPretraining(CONFIG, Execution()), jax.random.key(1))
    weights = own.weights(examples)
    run = jax.jit(jax.value_and_grad(own.loss, has_aux=True))
    whole = run(params, examples, weights, None)
    cuts = (slice(2), slice(2, None))
    parts = [
        run(params, jax.tree.map(lambda x, cut=cut: x[cut], examples), weights, None)
        for cut in cuts
    ]
    pairs = [part[0][1]["nsp_loss"].denominator for part in parts]
    assert pairs[0] != pairs[1]
    added = jax.tree.map(lambda *x: sum(x), *parts)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6), added, whole)
