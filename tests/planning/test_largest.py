"""The largest number that fits, in few trials."""

import math

import pytest

from bert_jax.planning.largest import search


class Counted:
    def __init__(self, need):
        self.need, self.calls = need, []

    def __call__(self, n):
        self.calls.append(n)
        return self.need(n)


NEEDS = {
    "line": lambda n: 100 + 7.0 * n,
    "steps": lambda n: 100 + 56.0 * math.ceil(n / 8),
    "convex": lambda n: 100 + 3.0 * n + 0.01 * n**2,
    "jump": lambda n: 100 + 2.0 * n + (500 if n > 60 else 0),
    "refused": lambda n: 100 + 7.0 * n if n <= 90 else math.inf,
}


@pytest.mark.parametrize("name", NEEDS)
@pytest.mark.parametrize("start", [1, 16, 200])
def test_it_is_the_largest_that_fits(name, start):
    need = Counted(NEEDS[name])
    found = search(need, 1000, start=start, tolerance=0, most=40)
    exact = max(n for n in range(1, 2000) if NEEDS[name](n) <= 1000)
    assert (found.fits, found.next) == (exact, exact + 1)
    assert len(need.calls) == len(set(need.calls))


def test_a_line_takes_four_trials():
    need = Counted(NEEDS["line"])
    assert search(need, 1000, start=32, tolerance=0).fits == 128
    assert need.calls == [32, 64, 128, 129]


def test_it_ends_when_it_is_near_enough():
    need = Counted(NEEDS["convex"])
    found = search(need, 1e6, start=10, tolerance=0.1)
    assert 1 < found.next - found.fits <= 0.1 * found.fits
    assert len(found.tried) < 12  # of its own accord
    assert NEEDS["convex"](found.fits) <= 1e6 < NEEDS["convex"](found.next)


def test_nothing_may_fit():
    found = search(NEEDS["line"], 50, start=8)
    assert (found.fits, found.next) == (0, 1)
    assert search(NEEDS["line"], 1e9, start=8, most=3).next is None
