import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from bert_jax.tasks.metrics import bootstrap, score

# 3 true positives, 2 false positives, 1 false negative, 4 true negatives
LABELS = np.array([1, 1, 1, 0, 0, 1, 0, 0, 0, 0])
PREDICTIONS = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0])


def one(name, predictions, labels):
    return score([name], np.array(predictions), np.array(labels))[name]


def test_classes_by_hand():
    scores = score(["accuracy", "f1", "macro_f1", "matthews"], PREDICTIONS, LABELS)
    assert list(scores) == ["accuracy", "f1", "macro_f1", "matthews"]
    assert scores["accuracy"] == pytest.approx(0.7)
    assert scores["f1"] == pytest.approx(2 * 3 / (2 * 3 + 2 + 1))
    assert scores["macro_f1"] == pytest.approx((6 / 9 + 8 / 11) / 2)
    assert scores["matthews"] == pytest.approx((3 * 4 - 2 * 1) / math.sqrt(5 * 4 * 6 * 5))


def test_f1_is_that_of_class_1():
    assert one("f1", [1, 1, 0], [1, 0, 0]) == pytest.approx(2 / 3)
    assert one("f1", [0, 0, 1], [0, 1, 1]) == pytest.approx(2 / 3)
    assert one("f1", [1, 1, 1, 1], [1, 0, 0, 0]) == pytest.approx(0.4)


def test_correlations_by_hand():
    predictions, labels = [1.0, 2.0, 3.0, 10.0], [0.0, 1.0, 2.0, 3.0]
    assert one("spearman", predictions, labels) == pytest.approx(1.0)
    assert one("pearson", predictions, labels) == pytest.approx(14 / math.sqrt(50 * 5))
    assert one("spearman", [1.0, 2.0, 2.0, 4.0], labels) == pytest.approx(math.sqrt(0.9))
    assert one("pearson", [3.0, 2.0, 1.0], [1.0, 2.0, 3.0]) == pytest.approx(-1)


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman", "f1"])
def test_predictions_that_do_not_vary_score_nothing(name):
    assert one(name, [0, 0, 0], [0, 1, 1]) == 0.0
    if name != "f1":
        assert one(name, [0, 1, 1], [1, 1, 1]) == 0.0


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classes_as_scikit_learn_scores_them(classes):
    draw = np.random.default_rng(classes)
    labels = draw.integers(0, classes, 300)
    predictions = np.where(draw.random(300) < 0.5, labels, draw.integers(0, classes, 300))
    macro_f1 = sklearn_metrics.f1_score(labels, predictions, average="macro")
    scores = score(["accuracy", "f1", "macro_f1", "matthews"], predictions, labels)
    assert scores["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, predictions))
    assert scores["f1"] == pytest.approx(sklearn_metrics.f1_score(labels == 1, predictions == 1))
    assert scores["macro_f1"] == pytest.approx(macro_f1)
    expected = sklearn_metrics.matthews_corrcoef(labels, predictions)
    assert scores["matthews"] == pytest.approx(expected)


def test_macro_f1_is_over_the_classes_that_occur():
    assert one("macro_f1", [0, 2, 2], [0, 0, 2]) == pytest.approx(2 / 3)


def test_the_interval_of_a_share_is_that_of_a_binomial():
    labels = np.zeros(400, int)
    predictions = (np.arange(400) < 100).astype(int)  # 75% right
    low, high = bootstrap("accuracy", predictions, labels, seed=0, resamples=4000)
    expected = stats.binom.ppf([0.025, 0.975], 400, 0.75) / 400
    np.testing.assert_allclose([low, high], expected, atol=0.005)


@pytest.mark.parametrize("name", ["matthews", "pearson"])
def test_the_interval_is_that_of_rows_drawn_with_replacement(name):
    draw = np.random.default_rng(2)
    labels = draw.integers(0, 2, 120)
    predictions = np.where(draw.random(120) < 0.8, labels, 1 - labels)
    if name == "pearson":
        labels, predictions = labels + draw.random(120), predictions + draw.random(120)
    # Of two classes, Matthews' correlation is Pearson's.
    rows = draw.integers(0, 120, (300, 120))
    plain = [np.corrcoef(predictions[sample], labels[sample])[0, 1] for sample in rows]
    found = bootstrap(name, predictions, labels, seed=0, resamples=300)
    np.testing.assert_allclose(found, np.percentile(plain, (2.5, 97.5)), atol=0.05)
    assert found == bootstrap(name, predictions, labels, seed=0, resamples=300)
    assert found != bootstrap(name, predictions, labels, seed=1, resamples=300)
    assert found[0] < one(name, predictions, labels) < found[1]
