import itertools

import numpy as np
import pytest

from bert_jax.data.grouping import Grouping, fitting_lengths, usual_lengths


def grouping(rows=1003, batch_size=8, seed=0):
    lengths = np.random.default_rng(seed).integers(3, 129, rows)
    return Grouping(lengths, batch_size, (32, 64, 96, 128))


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 1003])
@pytest.mark.parametrize("order", ["random", "length"])
def test_each_row_is_there_once(rows, order):
    own = grouping(rows)
    batches = own.by_length() if order == "length" else own.in_random_order(0, 3)
    assert sorted(np.concatenate([b.rows for b in batches])) == list(range(rows))
    assert len(batches) == own.batches_per_epoch
    assert all(len(b.rows) == 8 for b in batches[:-1])


def test_a_batch_is_padded_to_the_shortest_length_that_holds_it():
    own = grouping()
    for batch in own.in_random_order(0, 0):
        longest = own.lengths[batch.rows].max()
        assert batch.length == min(n for n in own.static_lengths if n >= longest)


def test_grouping_saves_most_of_the_padding():
    own = grouping(8000, 32)
    used = own.lengths.sum()
    random = np.random.default_rng(0).permutation(8000).reshape(-1, 32)
    padded = {
        "grouped": sum(32 * b.length for b in own.in_random_order(0, 0)),
        "whole": 8000 * 128,
        "random": 32 * own.lengths[random].max(axis=1).sum(),
    }
    assert used / padded["grouped"] > 0.79 > 0.55 > used / padded["random"] > used / padded["whole"]


def test_the_order_is_a_function_of_the_seed_and_mixes_lengths():
    own = grouping()
    first, again, other = (own.in_random_order(*seed) for seed in ((0, 1), (0, 1), (0, 2)))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.rows, two.rows)
    assert any((one.rows != two.rows).any() for one, two in zip(first[:5], other[:5], strict=True))
    lengths = np.array([b.length for b in first[:-1]])
    assert abs(np.corrcoef(lengths, np.arange(len(lengths)))[0, 1]) < 0.3


def test_seeds_have_other_rows_in_batches_of_the_same_lengths():
    own = grouping()
    first, other, later = (own.in_random_order(*seed) for seed in ((0, 1), (7, 1), (0, 2)))
    lengths = [[batch.length for batch in batches] for batches in (first, other, later)]
    assert lengths[0] == lengths[1] != lengths[2] and len(set(lengths[0])) == 4
    shared = [len(set(a.rows) & set(b.rows)) for a, b in zip(first[:-1], other[:-1], strict=True)]
    assert np.mean(shared) < 1  # of 8, where a length has about 250 rows


def test_a_row_too_long_is_refused():
    with pytest.raises(ValueError, match="130 tokens is longer than 128"):
        Grouping(np.array([5, 130]), 8, (64, 128))


def test_static_lengths_are_few_and_end_at_the_longest():
    assert usual_lengths(128) == (32, 64, 96, 128)
    assert usual_lengths(384) == (32, 64, 96, 128, 192, 288, 384)
    assert usual_lengths(20) == (20,)
    assert usual_lengths(512)[-1] == 512 and len(usual_lengths(512)) == 8


def padded(lengths, batch_size, static):
    """Tokens of all batches, were rows sorted by length."""
    longest = np.sort(lengths)[::-1][::batch_size]
    return sum(min(n for n in static if n >= length) for length in longest)


@pytest.mark.parametrize("most", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_no_other_lengths_need_less_padding(most, seed):
    rng = np.random.default_rng(seed)
    lengths = np.minimum(3 + rng.geometric(0.06, 200), 61)
    chosen = fitting_lengths(lengths, 4, most)
    longest = int(lengths.max())
    assert chosen[-1] == longest and len(chosen) <= most
    assert list(chosen) == sorted(set(chosen)) and all(n % 8 == 0 for n in chosen[:-1])
    others = itertools.combinations(range(8, longest, 8), min(most, 8) - 1)
    best = min(padded(lengths, 4, (*other, longest)) for other in others)
    assert padded(lengths, 4, chosen) == best


def test_equal_rows_need_one_length():
    assert fitting_lengths(np.full(9, 13), 4) == (13,)
    assert fitting_lengths(np.array([5]), 4) == (5,)
    assert fitting_lengths(np.array([16] * 8 + [8] * 4), 4) == (8, 16)
