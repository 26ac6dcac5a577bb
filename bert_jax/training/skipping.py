"""Steps that are left out: those whose gradients are not finite or far too large."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Of a normal distribution the standard deviation is so many median absolute deviations.
_SIGMA = 1.4826
# Norms may hardly differ for a while; what is within a few tenths of the median is no spike then.
_LEAST_DEVIATION = 0.1


@dataclass(frozen=True)
class SpikeGuard:
    """How large the gradient of a step may be, by what the steps before it had.

    The limit is the median of the last norms and some deviations more, by the median absolute
    deviation: both are blind to spikes among the norms themselves. Those of skipped steps count as
    well, so a level that has risen for good is accepted in the end.

    Attributes:
        factor: deviations above the median; 0: no limit.
        window: norms looked at; while there are fewer there is no limit.

    Raises:
        ValueError: the factor is negative, or too few norms tell no deviation.
    """

    factor: float
    window: int

    def __post_init__(self) -> None:
        if self.factor < 0:
            raise ValueError(f"spike_factor={self.factor} must not be negative")
        if self.window < 2:
            raise ValueError(f"spike_window={self.window} must be at least 2")

    def limit(self, norms: Sequence[tuple[int, float]], step: int, first: int) -> float:
        """Give the largest global norm that the gradient of a step may have.

        Norms are known a step late, but for the step after one at which the loop looks up. So that
        a run does not depend on when it looks up, or was stopped, the step right before counts for
        none.

        Args:
            norms: as `remember` keeps them.
            step: the step to come.
            first: of its phase; before it batches had another size or length.
        """
        known = [norm for at, norm in norms if first <= at < step - 1][-self.window :]
        if not self.factor or len(known) < self.window:
            return math.inf
        median = float(np.median(known))
        deviation = _SIGMA * float(np.median(np.abs(np.array(known) - median)))
        return median + self.factor * max(deviation, _LEAST_DEVIATION * median)

    def remember(
        self, norms: Sequence[tuple[int, float]], step: int, norm: float
    ) -> list[tuple[int, float]]:
        """Add a step's norm to those that a limit is made of, unless it is not finite."""
        if not self.factor:
            return []
        added = [(step, norm)] if math.isfinite(norm) else []
        return [*norms, *added][-self.window - 1 :]


def describe_skipped(
    *,
    norm: float,
    limit: float,
    loss: float | None,
    rows: Sequence[int],
    norms: Mapping[str, float],
) -> dict[str, Any]:
    """Say of a skipped step what may tell the cause; numbers that are not finite become words.

    Args:
        norm: of the whole gradient.
        limit: the largest it may have been.
        loss: before the step; None where it is unknown.
        rows: of the training rows, those that the batch was made of.
        norms: of the gradient of each parameter.
    """
    return {
        "reason": "spike" if math.isfinite(norm) else "not finite",
        "grad_norm": _readable(norm),
        "limit": _readable(limit),
        "loss": None if loss is None else _readable(loss),
        "rows": list(rows),
        "grad_norms": {path: _readable(value) for path, value in norms.items()},
    }


def _readable(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)  # JSON has no NaN
