"""What several seeds came to: medians, their intervals, and which runs failed."""

import numpy as np
import pytest

from bert_jax.errors import NumericsError
from bert_jax.report.finetuning.classes import Classes
from bert_jax.runs.seeds_score import median_interval, score_seeds, spread_in_words


class Toy:
    primary_metric, trivial_score = "f1", 0.8


def score_of(f1):
    return {
        "task": "toy",
        "metrics": {"f1": f1, "accuracy": f1 - 0.1},
        "examples": {"validation": 9},
        "data_fingerprint": "of the data",
    }


def test_failed_are_runs_at_the_trivial_score_and_those_without_one():
    values = {3: 0.9, 4: 0.8, 5: 0.86, 6: 0.79, 8: 0.88}
    outcomes = {seed: score_of(f1) for seed, f1 in values.items()} | {7: NumericsError("NaN")}
    score = score_seeds(Toy, outcomes, "go")
    assert list(score["failed"]) == ["4", "6", "7"] and score["failed_share"] == 0.5
    assert score["failed"]["7"] == "NaN"
    assert score["failed"]["4"].startswith("f1 0.8 is no more than saying the same of every")
    assert score["medians"] == pytest.approx({"f1": 0.86, "accuracy": 0.76})
    assert score["metrics"]["f1"] == pytest.approx(np.mean(list(values.values())))
    assert score["median_intervals_95"] == {}  # of five
    words = spread_in_words(score)
    assert words.startswith("f1: median 0.86; 3 of 6 runs failed (seed 4: f1 0.8 is no more")


def test_from_six_seeds_the_median_has_an_interval():
    outcomes = {seed: score_of(0.9 + seed / 100) for seed in range(6)}
    score = score_seeds(Toy, outcomes, "go")
    assert score["median_intervals_95"]["f1"] == [0.9, pytest.approx(0.95)]
    assert spread_in_words(score) == (
        "f1: median 0.925 (95% interval 0.9 to 0.95); none of 6 runs failed"
    )


def test_the_interval_holds_the_median_as_often_as_it_says():
    """Of a skewed distribution; with 12 values at least 95% and, by its steps, 96.1%."""
    draws = np.random.default_rng(0).exponential(size=(4000, 12))
    held = [low < np.log(2) < high for low, high in map(median_interval, draws.tolist())]
    assert np.mean(held) == pytest.approx(0.961, abs=0.012)
    assert median_interval([1.0] * 5) is None


def test_the_trivial_score_is_the_one_on_the_page(assembled_toy):
    task = assembled_toy().task
    shown = Classes()
    labels = task.features["validation"].targets["label"]
    for label in labels:
        given = dict.fromkeys(task.labels, 0.3)
        name = task.labels[label]
        shown.add({"label": name, "prediction": name, "probabilities": given})
    baseline = shown.baseline(task.primary_metric)
    assert task.trivial_score == baseline.value == np.bincount(labels).max() / len(labels)
