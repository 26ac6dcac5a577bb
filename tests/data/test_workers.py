"""Processes that work for another: in order, and noticed when they die or stop."""

import multiprocessing
import os
import signal
import time

import pytest

from bert_jax.data import workers
from bert_jax.data.workers import Workers
from bert_jax.errors import DataError, Stuck


def children():
    return {process.pid for process in multiprocessing.active_children()}


@pytest.fixture(autouse=True)
def nobody_is_left():
    before = children()
    yield
    assert children() <= before


def interrupted(number, all_of_them=True):
    """Items while which the workers are sent a signal."""
    before = children()

    def items():
        for item in range(40):
            if item == 8:
                chosen = sorted(children() - before)
                assert len(chosen) == 2
                for pid in chosen if all_of_them else chosen[:1]:
                    os.kill(pid, number)
            yield 0.05  # long enough for a second process to be wanted

    return items()


@pytest.mark.parametrize("count", [1, 2])
def test_results_come_in_order(count):
    with Workers(count) as pool:
        assert list(pool.map(str, range(50))) == [str(i) for i in range(50)]


@pytest.mark.parametrize("all_of_them", [True, False])
def test_a_worker_that_dies_is_noticed(all_of_them):
    with Workers(2) as pool, pytest.raises(DataError, match="a worker process died"):
        list(pool.map(time.sleep, interrupted(signal.SIGKILL, all_of_them)))


def test_a_worker_that_is_stopped_is_noticed_and_ended(monkeypatch):
    monkeypatch.setattr(workers, "_PATIENCE", 2)
    with pytest.raises(Stuck, match="has not come back for 2 seconds") as caught:
        with Workers(2) as pool:
            list(pool.map(time.sleep, interrupted(signal.SIGSTOP)))
    assert caught.value.exit_code == 8


def test_an_error_of_the_function_is_the_caller_s():
    with Workers(2) as pool, pytest.raises(ValueError, match="invalid literal"):
        list(pool.map(int, ["1", "x", "2"]))


def test_leaving_early_waits_for_nobody():
    start = time.monotonic()
    with pytest.raises(ZeroDivisionError), Workers(2) as pool:
        for _ in pool.map(time.sleep, [0.0, 0.0, 300.0, 300.0, 300.0, 300.0, 300.0]):
            raise ZeroDivisionError
    assert time.monotonic() - start < 250
