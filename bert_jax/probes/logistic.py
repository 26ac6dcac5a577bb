"""Multinomial logistic regression on features that stand still, scored on rows held out."""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

FOLDS = 10
PENALTY = 0.1  # half of it times the squared weights, beside the sum of all rows' losses


def held_out_predictions(
    features: Float[np.ndarray, "N D"], labels: Int[np.ndarray, "N"]
) -> Int[np.ndarray, "N"]:
    """Predict each row by a classifier fitted to the other folds.

    Args:
        features: of rows of which neighbours may have much in common.
        labels: numbers from 0.
    """
    fold, classes = folds_of(labels), int(labels.max()) + 1
    predicted = np.zeros_like(labels)
    for number in np.unique(fold):
        held_out = fold == number
        known = features[~held_out].astype(np.float64)
        mean, deviation = known.mean(0), known.std(0)
        # Rows of length about 1 whatever the width, so that the penalty means the same.
        scale = np.where(deviation > 0, deviation, 1.0) * np.sqrt(features.shape[1])
        weights, bias = fit((known - mean) / scale, labels[~held_out], classes)
        predicted[held_out] = (((features[held_out] - mean) / scale) @ weights + bias).argmax(-1)
    return predicted


def folds_of(labels: Int[np.ndarray, "N"]) -> Int[np.ndarray, "N"]:
    """Cut the rows of each label, as they stand, into folds of neighbours.

    What stands together is held out together: rows that share a telling word.
    """
    fold = np.zeros_like(labels)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        fold[rows] = np.arange(len(rows)) * FOLDS // len(rows)
    return fold


def fit(
    features: Float[np.ndarray, "N D"], labels: Int[np.ndarray, "N"], classes: int
) -> tuple[Float[np.ndarray, "D C"], Float[np.ndarray, "C"]]:
    """Find the weights and biases of the least loss, from zero, by L-BFGS in float64.

    The loss is convex, so what is found depends on neither a seed nor a learning rate.
    """
    from scipy.optimize import minimize  # slow to import
    from scipy.special import log_softmax

    rows, width = features.shape
    target = np.eye(classes)[labels]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = np.split(flat.reshape(width + 1, classes), [width])
        logs = log_softmax(features @ weights + bias, axis=-1)  # [N, C]
        error = np.exp(logs) - target
        value = -(target * logs).sum() + PENALTY / 2 * (weights**2).sum()
        slope = np.concatenate([features.T @ error + PENALTY * weights, error.sum(0)[None]])
        return float(value), slope.ravel()

    options = {"maxiter": 1000, "gtol": 1e-6 * rows, "ftol": 0.0}
    start = np.zeros((width + 1) * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    weights, bias = np.split(found.reshape(width + 1, classes), [width])
    return weights, bias[0]
