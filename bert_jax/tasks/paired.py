"""Whether one model is better than another on the same rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bert_jax.tasks.bootstrap import bootstrap_samples

Scorer = Callable[[np.ndarray], float]  # from indices of rows, which may repeat, to a score


@dataclass(frozen=True)
class Difference:
    """How far the second of two is ahead of the first, in what a score counts.

    Attributes:
        first: the score of the first over all rows; of several seeds the mean.
        second: the same of the second.
        low: end of the 95% interval of second - first.
        high: the other end.
        share: of samples in which the order is turned round or a draw, twice, at most 1; what a
            two-sided test would call p.
        rows: that both were scored on.
        seeds: of the first and of the second.
    """

    first: float
    second: float
    low: float
    high: float
    share: float
    rows: int
    seeds: tuple[int, int]

    @property
    def value(self) -> float:
        """Return second - first."""
        return self.second - self.first

    @property
    def told_apart(self) -> bool:
        """Tell whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    first: Sequence[Scorer],
    second: Sequence[Scorer],
    rows: int,
    seed: int = 0,
    resamples: int = 2000,
) -> Difference:
    """Compare two models, or two settings of several seeds each, by a paired bootstrap.

    Each sample draws rows with replacement, the same for all, so what makes a row hard for both
    cancels out. Of several seeds it draws those too: the interval then covers how a setting comes
    out with another seed. Koehn, Statistical significance tests for machine translation
    evaluation, 2004; Efron and Tibshirani, An introduction to the bootstrap, 1993.

    Args:
        first: scores rows as each seed's model answered them.
        second: the same of the other.
        rows: how many there are, above 0.
        seed: of the samples.
        resamples: how many samples.
    """
    draw = np.random.default_rng([seed, 1])
    found = np.zeros(resamples)
    for i, sample in enumerate(bootstrap_samples(rows, seed, resamples)):
        a, b = (_mean([of[j] for j in _drawn(len(of), draw)], sample) for of in (first, second))
        found[i] = b - a
    low, high = np.percentile(found, (2.5, 97.5))
    everything = np.arange(rows)
    return Difference(
        first=_mean(first, everything),
        second=_mean(second, everything),
        low=float(low),
        high=float(high),
        share=min(1.0, 2 * float(min(np.mean(found <= 0), np.mean(found >= 0)))),
        rows=rows,
        seeds=(len(first), len(second)),
    )


def _drawn(seeds: int, draw: np.random.Generator) -> Sequence[int]:
    return [0] if seeds == 1 else draw.integers(0, seeds, seeds).tolist()


def _mean(scorers: Sequence[Scorer], rows: np.ndarray) -> float:
    return sum(score(rows) for score in scorers) / len(scorers)
