"""Samples with replacement, for intervals of scores that are no table of pairs."""

from collections.abc import Iterator

import numpy as np


def bootstrap_samples(rows: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """Yield samples of row indices, as many as there are rows, drawn with replacement."""
    draw = np.random.default_rng(seed)
    for _ in range(resamples):
        yield draw.integers(0, rows, rows)


def bootstrap_mean(values: np.ndarray, seed: int, resamples: int = 1000) -> tuple[float, float]:
    """Return the 95% interval of a mean over samples of the rows, by percentiles."""
    means = [values[rows].mean() for rows in bootstrap_samples(len(values), seed, resamples)]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)
