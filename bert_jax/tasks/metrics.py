"""Scores of predictions, and how sure they are.

Scores of classes are functions of how often each (label, prediction) occurs, so that a thousand
samples of a bootstrap are scored at once; correlations are SciPy's.
"""

from collections.abc import Callable, Sequence

import numpy as np


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Return the share of rows that are right; counts by label and prediction [..., C, C]."""
    return _ratio(counts.trace(axis1=-2, axis2=-1), counts.sum((-2, -1)))


def f1(counts: np.ndarray) -> np.ndarray:
    """Return the F1 of class 1; 0 where it neither is nor is predicted."""
    return _f1_by_class(counts)[..., 1]


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the classes that are or are predicted."""
    occurs = (counts.sum(-1) + counts.sum(-2)) > 0
    return _ratio(_f1_by_class(counts).sum(-1), occurs.sum(-1))


def matthews(counts: np.ndarray) -> np.ndarray:
    """Return Matthews' correlation for any number of classes, 0 where one class is all there is.

    Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, 2004.
    """
    counts = counts.astype(np.float64)
    labels, predictions = counts.sum(-1), counts.sum(-2)
    rows, right = counts.sum((-2, -1)), counts.trace(axis1=-2, axis2=-1)
    covariance = right * rows - (labels * predictions).sum(-1)
    label_variance = rows**2 - (labels**2).sum(-1)
    prediction_variance = rows**2 - (predictions**2).sum(-1)
    return _ratio(covariance, np.sqrt(label_variance * prediction_variance))


def pearson(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Return Pearson's correlation of values [N]; 0 where either does not vary."""
    from scipy.stats import pearsonr

    return _correlation(pearsonr, predictions, labels)


def spearman(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Return Spearman's correlation of the ranks of values [N]; 0 where either does not vary."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, predictions, labels)


CLASS_METRICS = {"accuracy": accuracy, "f1": f1, "macro_f1": macro_f1, "matthews": matthews}
VALUE_METRICS = {"pearson": pearson, "spearman": spearman}


def score(metrics: Sequence[str], predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return scores by name, at most 1.

    Args:
        metrics: names in `CLASS_METRICS` or in `VALUE_METRICS`.
        predictions: class indices, or values [N].
        labels: the same [N], N above 0.
    """
    return {
        name: float(CLASS_METRICS[name](_count(predictions, labels)))
        if name in CLASS_METRICS
        else VALUE_METRICS[name](predictions, labels)
        for name in metrics
    }


def bootstrap(
    metric: str, predictions: np.ndarray, labels: np.ndarray, seed: int, resamples: int = 1000
) -> tuple[float, float]:
    """Return the 95% interval of a score, by percentiles over samples of the rows.

    A sample is as many rows, drawn with replacement.
    """
    draw = np.random.default_rng(seed)
    rows = len(labels)
    if metric in CLASS_METRICS:
        # To draw rows is to draw how often each (label, prediction) comes up.
        counts = _count(predictions, labels)
        samples = draw.multinomial(rows, counts.ravel() / rows, size=resamples)
        scores = CLASS_METRICS[metric](samples.reshape(resamples, *counts.shape))
    else:
        samples = (draw.integers(rows, size=rows) for _ in range(resamples))
        scores = [VALUE_METRICS[metric](predictions[s], labels[s]) for s in samples]
    low, high = np.percentile(scores, (2.5, 97.5))
    return float(low), float(high)


def _count(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how often each label meets each prediction [C, C]."""
    classes = max(2, int(predictions.max()) + 1, int(labels.max()) + 1)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts


def _f1_by_class(counts: np.ndarray) -> np.ndarray:
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    return _ratio(2 * right, counts.sum(-1) + counts.sum(-2))


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Divide; nothing by nothing is 0."""
    return np.divide(over, under, out=np.zeros(np.shape(under)), where=under > 0)


def _correlation(correlate: Callable, predictions: np.ndarray, labels: np.ndarray) -> float:
    if np.ptp(predictions) == 0 or np.ptp(labels) == 0:
        return 0.0
    return float(correlate(predictions, labels).statistic)
