"""What is suggested depends on what was told and on nothing else."""

import itertools

import pytest

from bert_jax.sweeps.sampler import Told, need_optuna, suggestions
from bert_jax.sweeps.space import Choice, Range, Space

pytest.importorskip("optuna", reason="Optuna is not installed: an extra")

SPACE = Space({"x": Range(0.0, 1.0, False, False), "word": Choice(("a", "b"), ("a", "b"))})
# The nearer to 0.5 the better.
DONE = [Told({"x": x / 10, "word": x % 2}, "finished", abs(x / 10 - 0.5)) for x in range(11)]


def suggested(told, seeds=range(24), lower=True):
    found = (suggestions(SPACE, told, lower_is_better=lower, seed=seed) for seed in seeds)
    return [next(one) for one in found]


def near(told, **options):
    return sum(abs(places["x"] - 0.5) < 0.1 for places in suggested(told, **options))


@pytest.fixture(autouse=True)
def quiet():
    need_optuna()


def test_what_scored_well_is_near_and_what_goes_on_is_kept_away_from():
    """By chance five of 24 would be near."""
    assert near(DONE) >= 16 and near(DONE, lower=False) <= 2
    for state in ("running", "failed"):
        others = [Told({"x": 0.4 + i / 40, "word": i % 2}, state) for i in range(9)]
        assert near(DONE + others) <= 2


def test_the_same_is_suggested_for_the_same_and_other_things_when_it_is_no_use():
    assert suggested(DONE) == suggested(DONE)
    assert len({places["x"] for places in suggested(DONE)}) == 24
    many = list(itertools.islice(suggestions(SPACE, DONE, lower_is_better=True, seed=0), 40))
    assert len({places["x"] for places in many}) == 40
    assert all(SPACE.places({"x": p["x"], "word": "ab"[p["word"]]}) == p for p in many)
