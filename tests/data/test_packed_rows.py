"""Rows of several sequences, against the same sequences with a row each."""

import numpy as np
import pytest
from test_batches import CLS, PACKED, PAD, PAIRS, ROW, SEGMENTS, epoch, make_split, slow_row

from bert_jax.data import batches
from bert_jax.data.batches import PretrainingRows
from bert_jax.data.pairs import sample_pairs


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(batches, "SHARDS_IN_A_GROUP", 2)


@pytest.fixture(scope="module")
def split():
    return make_split(shards=3, documents=40)


def taken_apart(batch):
    """Give each sequence of a packed batch as the row that it would be by itself."""
    found = []
    for row in zip(*batch, strict=True):
        ids, types, segments, positions, starts, labels, weights = row
        end = 0
        for number in range(1, int(weights.sum()) + 1):
            (mine,) = np.nonzero(segments == number)
            assert starts[number - 1] == mine[0] == end  # without a gap
            np.testing.assert_array_equal(mine, np.arange(mine[0], mine[-1] + 1))
            np.testing.assert_array_equal(positions[mine], np.arange(len(mine)))
            assert ids[mine[0]] == CLS
            padding = [0] * (ROW.max_seq_length - len(mine))
            found.append(
                (*ids[mine], *padding, *types[mine], *padding)
                + (*[1] * len(mine), *padding, labels[number - 1])
            )
            end = mine[-1] + 1
        for rest in (segments[end:], positions[end:], types[end:], ids[end:] - PAD):
            assert not rest.any()
        unused = np.arange(len(weights)) >= weights.sum()
        for rest in (weights[unused], starts[unused], labels[unused]):
            assert not rest.any()
    return [tuple(map(int, sequence)) for sequence in found]


def of_a_pass(split, sampling, number):
    """Lay out every sequence of a pass over all shards by joining lists."""
    return [
        slow_row(shard.tokens, pair, sampling)
        for index, shard in enumerate(split.shards)
        for pair in zip(
            *(c.tolist() for c in sample_pairs(shard, sampling, 24, [3, number, index])),
            strict=True,
        )
    ]


@pytest.mark.parametrize("sampling", [PAIRS, SEGMENTS], ids=["pairs", "segments"])
def test_a_pass_is_packed_without_losing_or_doubling_a_sequence(split, sampling):
    # In the pass that the number of rows was counted in, no row is left out or repeated.
    batch = epoch(PretrainingRows(split, sampling, PACKED, [3]))
    assert batch.input_ids.shape[1] == 60
    assert batch.starts.shape[1] == 4
    assert sorted(taken_apart(batch)) == sorted(of_a_pass(split, sampling, 0))
    assert len(batch.starts) < 0.6 * len(taken_apart(batch))


def test_other_passes_lose_or_double_whole_rows_alone(split):
    rows = PretrainingRows(split, PAIRS, PACKED, [3])
    found, expected = set(taken_apart(epoch(rows, 1))), set(of_a_pass(split, PAIRS, 1))
    assert found <= expected
    assert len(found) > 0.9 * len(expected)


def test_types_are_those_of_a_batch(split):
    batch = PretrainingRows(split, PAIRS, PACKED, [3])(np.arange(4))
    assert {column.dtype for column in batch[:-1]} == {np.dtype(np.int32)}
    assert batch.next_sentence_weight.dtype == np.float32


def test_what_shares_a_row_is_of_many_documents(split):
    """Sequences of one length are not packed in the order of the text."""
    batch = epoch(PretrainingRows(split, PAIRS, PACKED, [3]))
    several = batch.next_sentence_weight[:, 1] == 1
    first, second = (
        batch.input_ids[np.arange(len(several)), batch.starts[:, k] + 1][several] for k in (0, 1)
    )
    correlation = np.corrcoef(first % 2000, second % 2000)[0, 1]
    assert abs(correlation) < 0.3


def test_statistics_are_those_of_the_rows():
    rows = PretrainingRows(make_split(shards=2, documents=60), PAIRS, PACKED, [3])  # one group
    found, batch = rows.statistics(), epoch(rows)
    sequences = batch.next_sentence_weight.sum()
    assert found["rows"] == rows.rows_per_epoch == len(batch.segments)
    assert found["pairs"] == sequences
    assert found["pairs_per_row"] == pytest.approx(sequences / len(batch.segments))
    assert found["padding_share"] == pytest.approx((batch.segments == 0).mean())
    assert found["mean_length"] == pytest.approx((batch.segments > 0).sum() / sequences)
    follows = (batch.next_sentence_weight == 1) & (batch.next_sentence_label == 0)
    assert found["is_next_share"] == pytest.approx(follows.sum() / sequences)
