"""Which sequences share a row, by numbers alone."""

import numpy as np
import pytest

from bert_jax.data.packing import pack


def contents(lengths, row_length, most):
    """Give the lengths in each row."""
    lengths = np.array(lengths)
    return [lengths[row[row >= 0]].tolist() for row in pack(lengths, row_length, most)]


def drawn(count, seed=0):
    """Lengths as BERT's are: most are full, the others anything."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(count) < 0.5, 128, rng.integers(5, 129, count))


@pytest.mark.parametrize("row_length", [128, 300, 512])
@pytest.mark.parametrize("most", [1, 2, 5, 8])
def test_each_sequence_stands_in_one_row_and_no_row_takes_too_much(row_length, most):
    lengths = drawn(3000)
    rows = pack(lengths, row_length, most)
    used = rows >= 0
    np.testing.assert_array_equal(np.sort(rows[used]), np.arange(3000))
    assert rows.shape[1] == most
    assert used[:, 0].all()
    assert (np.diff(used.astype(int), axis=1) <= 0).all()  # -1 comes last
    assert np.where(used, lengths[rows], 0).sum(1).max() <= row_length


def test_a_sequence_goes_where_it_leaves_the_least_room():
    assert contents([3, 6, 7], 10, 8) == [[7, 3], [6]]
    assert contents([3, 7, 4, 6], 10, 8) == [[7, 3], [6, 4]]
    assert contents([6, 7, 2, 2], 10, 8) == [[7, 2], [6, 2]]
    assert contents([5, 5, 10, 5], 10, 8) == [[10], [5, 5], [5]]


def test_equally_long_sequences_are_placed_in_their_order():
    np.testing.assert_array_equal(pack(np.array([4, 9, 4, 9]), 9, 2), [[1, -1], [3, -1], [0, 2]])


def test_no_row_takes_more_sequences_than_it_may():
    assert contents([1] * 7, 10, 3) == [[1, 1, 1], [1, 1], [1, 1]]
    assert contents([8, 1, 1], 10, 2) == [[8, 1], [1]]


def test_evenly_spread_lengths_fill_rows_nearly_to_the_last_token():
    lengths = np.random.default_rng(0).integers(1, 129, 20_000)
    rows = pack(lengths, 128, 8)
    assert lengths.sum() / (128 * len(rows)) > 0.99


def test_no_sequences_make_no_rows():
    assert pack(np.zeros(0, np.int64), 10, 4).shape == (0, 4)
