"""Two sides' scores over seeds, and whether they are further apart than seeds are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds; of one seed alone there is no error."""

    mean: float
    error: float | None

    def __str__(self) -> str:
        return f"{self.mean:.1f}" + ("" if self.error is None else f" ± {self.error:.1f}")


def estimate(values: Sequence[float]) -> Estimate:
    """Take the mean and its standard error."""
    error = float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
    return Estimate(float(np.mean(values)), error)


def difference(ours: Estimate, theirs: Estimate) -> Estimate:
    """Subtract theirs from ours; errors of independent seeds add up as squares."""
    mean = ours.mean - theirs.mean
    if ours.error is None or theirs.error is None:
        return Estimate(mean, None)
    return Estimate(mean, math.hypot(ours.error, theirs.error))


def judge(apart: Estimate) -> str:
    """Say how far apart two sides are."""
    if apart.error is None:
        return "one seed"
    if abs(apart.mean) <= apart.error:
        return "within one standard error"
    errors = abs(apart.mean) / apart.error if apart.error else math.inf
    return f"{errors:.1f} standard errors {'above' if apart.mean > 0 else 'below'}"
