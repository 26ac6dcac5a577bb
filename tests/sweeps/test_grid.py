"""Grids on the command line become every combination, in order, or one clear line."""

import pytest

from bert_jax.errors import ConfigError
from bert_jax.sweeps.grid import MOST_RUNS, read_grid


def test_the_last_field_varies_fastest():
    assert read_grid(["optimizer.learning_rate=1e-4,3e-4", "seed=0:3"]) == [
        {"optimizer.learning_rate": rate, "seed": seed}
        for rate in ("1e-4", "3e-4")
        for seed in ("0", "1", "2")
    ]


@pytest.mark.parametrize(
    ("grid", "values"),
    [
        ("a=0:5", ["0", "1", "2", "3", "4"]),
        ("a=2:9:3", ["2", "5", "8"]),
        ("a=3:0:-1", ["3", "2", "1"]),
        ("a=-1:1", ["-1", "0"]),
        ("a=0.5", ["0.5"]),
        ("a= x , y ", ["x", "y"]),
        ("a=runs/0:5", ["runs/0:5"]),
        ("a=b=c", ["b=c"]),
        ("a=(32,64),(128,)", ["(32,64)", "(128,)"]),
        ("a={'x': [1, 2]},{}", ["{'x': [1, 2]}", "{}"]),
    ],
)
def test_values_are_a_list_or_a_range(grid, values):
    assert [run["a"] for run in read_grid([grid])] == values


@pytest.mark.parametrize(
    ("grids", "message"),
    [
        (["seed"], "--grid seed: wants FIELD=VALUE,VALUE or FIELD=FIRST:END"),
        (["=1"], "--grid =1: wants FIELD=VALUE"),
        (["seed="], "--grid seed=: no values"),
        (["seed=1,,2"], "--grid seed=1,,2: a value is empty"),
        (["seed=5:5"], "--grid seed=5:5: the range is empty; its end is not part of it"),
        (["seed=0:5:0"], "--grid seed=0:5:0: a range cannot go in steps of 0"),
        (["seed=0:5", "seed=7"], "--grid seed=7: seed has a grid already"),
        (["seed=0:1001"], "--grid seed=0:1001: a sweep has at most 1,000 runs"),
        (["seed=0:90000000000000000000"], "a sweep has at most 1,000 runs"),
        (["a=0:50", "seed=0:50"], "50 of a x 50 of seed are 2,500 runs; a sweep has at most"),
    ],
)
def test_a_grid_without_runs_or_with_too_many_is_refused(grids, message):
    with pytest.raises(ConfigError) as caught:
        read_grid(grids)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_as_many_runs_as_there_may_be():
    assert len(read_grid([f"seed=0:{MOST_RUNS}"])) == MOST_RUNS
