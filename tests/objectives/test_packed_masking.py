"""Masks of rows that several sequences share: in each what it would get by itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bert_jax.model import Packing
from bert_jax.objectives.masking import Masking, Vocabulary, mask_packed_tokens, packed_slots

PAD, UNK, CLS, SEP, MASK = range(5)
VOCABULARY = Vocabulary(60, MASK, (PAD, UNK, CLS, SEP, MASK))
MASKING = Masking(0.15, 9, 0.8, 0.1)
ROWS, LENGTH, SEQUENCES = 512, 96, 5


@functools.partial(jax.jit, static_argnums=3)
def draw(input_ids, packing, key, masking=MASKING):
    return mask_packed_tokens(input_ids, packing, key, masking, VOCABULARY)


@pytest.fixture(scope="module")
def packed():
    """Rows of one to five sequences of 5 to 64 tokens, with padding at the end of most."""
    rng = np.random.default_rng(0)
    ids = np.full((ROWS, LENGTH), PAD, np.int32)
    segments, positions = np.zeros_like(ids), np.zeros_like(ids)
    starts = np.zeros((ROWS, SEQUENCES), np.int32)
    for row in range(ROWS):
        end = 0
        for number in range(rng.integers(1, SEQUENCES + 1)):
            tokens = rng.integers(5, 65)
            if end + tokens > LENGTH:
                break
            ids[row, end : end + tokens] = rng.integers(5, VOCABULARY.size, tokens)
            ids[row, end], ids[row, end + tokens // 2], ids[row, end + tokens - 1] = CLS, SEP, SEP
            segments[row, end : end + tokens] = number + 1
            positions[row, end : end + tokens] = np.arange(tokens)
            starts[row, number] = end
            end += tokens
    return ids, Packing(segments, positions, starts)


@pytest.fixture(scope="module")
def drawn(packed):
    return jax.tree.map(np.asarray, draw(*packed, jax.random.key(0)))


def used_places(drawn):
    rows, slots = np.nonzero(drawn.weights)
    return rows, drawn.positions[rows, slots]


def test_each_sequence_gets_the_predictions_that_it_would_get_by_itself(packed, drawn):
    _, packing = packed
    rows, places = used_places(drawn)
    found = np.zeros((ROWS, SEQUENCES + 1), int)
    np.add.at(found, (rows, packing.segments[rows, places]), 1)
    assert not found[:, 0].any()  # padding
    for number in range(1, SEQUENCES + 1):
        tokens = (packing.segments == number).sum(1)
        # At the shortest, [CLS] a [SEP] b [SEP], two can be chosen.
        expected = [n and min(9, max(1, round(int(n) * 0.15))) for n in tokens]
        np.testing.assert_array_equal(found[:, number], expected)


def test_specials_are_never_chosen_and_nothing_else_is_altered(packed, drawn):
    ids, _ = packed
    rows, places = used_places(drawn)
    assert not np.isin(ids[rows, places], VOCABULARY.unmaskable_ids).any()
    used = drawn.weights == 1
    np.testing.assert_array_equal(drawn.labels[used], ids[rows, places])
    restored = drawn.input_ids.copy()
    restored[rows, places] = drawn.labels[used]
    np.testing.assert_array_equal(restored, ids)
    assert len(set(zip(rows.tolist(), places.tolist(), strict=True))) == len(rows)


def test_unused_slots_have_weight_zero_and_come_last(drawn):
    unused = drawn.weights == 0
    assert set(np.unique(drawn.weights)) == {0.0, 1.0}
    assert (np.diff(drawn.weights, axis=1) <= 0).all()
    assert not drawn.positions[unused].any()
    assert not drawn.labels[unused].any()


def test_places_of_a_sequence_are_chosen_alike():
    ids = np.full((2048, 40), 7, np.int32)
    segments = np.where(np.arange(40) < 20, 1, 2).astype(np.int32) + np.zeros_like(ids)
    packing = Packing(segments, segments, np.zeros((2048, 2), np.int32))
    counts = np.bincount(used_places(draw(ids, packing, jax.random.key(0)))[1], minlength=40)
    assert counts.sum() == 2048 * 6
    assert np.abs(counts - 307.2).max() < 5 * np.sqrt(307.2)


def test_another_key_gives_other_masks_and_what_is_shown_is_drawn_apart(packed, drawn):
    ids, packing = packed
    again, other = (draw(ids, packing, jax.random.key(number)) for number in (0, 1))
    jax.tree.map(np.testing.assert_array_equal, again, drawn)
    assert (np.asarray(other.positions) != drawn.positions).mean() > 0.5
    used = drawn.weights == 1
    shown = np.take_along_axis(drawn.input_ids, drawn.positions, 1)[used]
    share = (shown == MASK).mean()
    assert abs(share - 0.8) < 4 * np.sqrt(0.16 / used.sum()) + 0.1 / VOCABULARY.size


def test_a_batch_cut_over_devices_gets_the_masks_of_one(packed, drawn):
    cut = NamedSharding(Mesh(np.array(jax.devices()[:8]), "data"), PartitionSpec("data"))
    sharded = draw(*jax.device_put(packed, cut), jax.random.key(0))
    assert len(sharded.input_ids.sharding.device_set) == 8
    jax.tree.map(np.testing.assert_array_equal, sharded, drawn)


def test_a_sequence_of_specials_alone_is_left_as_it_is():
    ids = np.array([[CLS, 9, 9, SEP, CLS, SEP, SEP, CLS, 9, SEP]], np.int32)
    segments = np.array([[1] * 4 + [2] * 3 + [3] * 3], np.int32)
    packing = Packing(segments, segments, np.zeros((1, 4), np.int32))
    chosen = draw(ids, packing, jax.random.key(0))
    assert chosen.weights.sum() == 2
    assert set(segments[0, np.asarray(chosen.positions[0, :2])].tolist()) == {1, 3}


def most_predictions(length, sequences, masking):
    """Find the most that a row can want, sequence by sequence."""
    best = np.zeros(length + 1, int)
    for _ in range(sequences):
        before = best.copy()
        for tokens in range(3, length + 1):
            count = min(masking.max_predictions, max(1, round(tokens * masking.rate)))
            best[tokens:] = np.maximum(best[tokens:], before[: length + 1 - tokens] + count)
    return best[length]


@pytest.mark.parametrize("rate", [0.15, 0.3, 0.05])
@pytest.mark.parametrize(
    ("length", "sequences", "most"),
    [(128, 1, 20), (128, 8, 20), (512, 8, 80), (512, 12, 20), (30, 4, 2)],
)
def test_a_row_has_slots_for_whatever_it_may_want_and_hardly_more(rate, length, sequences, most):
    masking = Masking(rate, most, 0.8, 0.1)
    wanted = most_predictions(length, sequences, masking)
    slots = packed_slots(length, sequences, masking)
    assert wanted <= slots <= max(wanted * 1.1, wanted + 1)


def test_types_are_kept(packed):
    found = draw(*packed, jax.random.key(0))
    assert found.input_ids.dtype == found.labels.dtype == jnp.int32
    assert found.weights.dtype == jnp.float32
