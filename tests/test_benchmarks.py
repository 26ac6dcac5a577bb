"""What a benchmark says: ratios round by round, of processes that take turns."""

import sys

import numpy as np
import pytest

from bert_jax.data.grouping import RowBatch
from experiments.benchmarks.assembled_task import firsts
from experiments.benchmarks.rounds import Ratio, ratio, ratios, take_turns
from experiments.benchmarks.turns import Contestant

SLEEPER = """
import time
from experiments.benchmarks.turns import serve
serve(lambda: time.sleep({seconds}), lambda: print("done"), tokens=100)
"""


@pytest.fixture
def sleepers(tmp_path):
    """Two processes that are ready, one of which takes four times as long for a step."""
    found = [
        Contestant(name, (sys.executable, "-c", SLEEPER.format(seconds=seconds)), tmp_path / name)
        for name, seconds in (("fast", 0.02), ("slow", 0.08))
    ]
    for one in found:
        one.start()
        one.wait()
    return found


def test_a_ratio_is_taken_round_by_round():
    # In the third round the machine was half as fast, for both: that is no difference.
    found = ratio([1.0, 1.0, 2.0, 1.0], [2.0, 1.0, 4.0, 3.0])
    assert (found.low, found.median, found.high) == (1.75, 2.0, 2.25)
    assert ratios({"a": [1.0], "b": [3.0]}, "a") == {"b": Ratio(3.0, 3.0, 3.0)}
    assert str(Ratio(2.0, 1.5, 2.5)) == "2.00 (1.50 to 2.50)"


def test_processes_take_turns_and_tell_what_they_took(sleepers):
    seconds = take_turns(sleepers, rounds=3, seconds=0.05)
    assert [len(of) for of in seconds.values()] == [3, 3]
    assert all(s >= 0.02 for s in seconds["fast"]) and all(s >= 0.08 for s in seconds["slow"])
    assert sleepers[0].began == {"tokens": 100}
    assert all(one.end()["peak_bytes"] > 1e6 for one in sleepers)


def test_one_that_ends_early_is_named(tmp_path):
    broken = Contestant("broken", (sys.executable, "-c", "print(1)"), tmp_path / "log")
    broken.start()
    with pytest.raises(SystemExit, match="broken ended before it answered; see .*log"):
        broken.wait()


def test_the_first_batch_of_each_length_is_found():
    batches = [RowBatch(np.arange(2), length) for length in (32, 64, 32, 16, 64)]
    assert firsts(batches) == [3, 0, 1]
