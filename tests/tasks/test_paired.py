"""Which of two is better: intervals are those of theory, and equal models are rarely told apart."""

import numpy as np
import pytest

from bert_jax.tasks.paired import paired_bootstrap


def scorer(right: np.ndarray):
    return lambda rows: float(right[rows].mean())


def test_the_interval_is_that_of_the_rows_where_the_two_differ():
    # 50 rows that the second alone gets right, 20 that the first alone does, of 400.
    first, second = np.zeros(400), np.zeros(400)
    first[:200], second[:200] = 1, 1
    second[200:250], first[250:270] = 1, 1
    found = paired_bootstrap([scorer(first)], [scorer(second)], 400)
    assert (found.first, found.second) == (0.55, 0.625) and found.value == pytest.approx(0.075)
    error = np.sqrt((50 + 20) - (50 - 20) ** 2 / 400) / 400  # McNemar's
    assert found.low == pytest.approx(0.075 - 1.96 * error, abs=0.004)
    assert found.high == pytest.approx(0.075 + 1.96 * error, abs=0.004)
    assert found.told_apart and found.share < 0.005 and found.seeds == (1, 1)
    turned = paired_bootstrap([scorer(second)], [scorer(first)], 400)
    assert (turned.low, turned.high) == (-found.high, -found.low)


def test_the_same_answers_are_no_difference():
    right = np.arange(30) % 3 == 0
    found = paired_bootstrap([scorer(right)], [scorer(right)], 30, resamples=50)
    assert (found.low, found.high, found.share) == (0, 0, 1) and not found.told_apart


def test_seeds_are_drawn_too():
    # Whatever the rows, one seed scores 0 and the other 1: means of two drawn are 0, 0.5 and 1.
    seeds = [lambda rows: 0.0, lambda rows: 1.0]
    found = paired_bootstrap(seeds, [lambda rows: 0.9], 10, resamples=400)
    assert (found.first, found.second, found.seeds) == (0.5, 0.9, (2, 1))
    assert (found.low, found.high) == (pytest.approx(-0.1), pytest.approx(0.9))
    assert not found.told_apart


def test_equal_models_are_told_apart_one_time_in_twenty():
    draw = np.random.default_rng(0)
    told = 0
    for seed in range(60):
        first, second = draw.random((2, 150)) < 0.7
        found = paired_bootstrap([scorer(first)], [scorer(second)], 150, seed, resamples=200)
        told += found.told_apart
    assert 1 <= told <= 8
