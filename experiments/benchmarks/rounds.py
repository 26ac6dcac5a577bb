"""Turns put together: seconds a step in every round, and ratios with their spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.benchmarks.turns import Contestant


@dataclass(frozen=True)
class Ratio:
    """How many times as fast, over the rounds: the median and the quartiles around it."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def take_turns(
    contestants: Sequence[Contestant], rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Have all do some steps in every round, each round in another order.

    Args:
        contestants: who takes part.
        rounds: that count; one before them warms up and tells how many steps fill a turn.
        seconds: how long a turn is to be.

    Returns:
        By name, seconds a step in each round.
    """
    steps = {one.name: max(1, round(seconds / one.turn(2))) for one in contestants}
    found: dict[str, list[float]] = {one.name: [] for one in contestants}
    for turn in range(rounds):
        first = turn % len(contestants)
        for one in (*contestants[first:], *contestants[:first]):
            found[one.name].append(one.turn(steps[one.name]))
    return found


def ratio(mine: Sequence[float], others: Sequence[float]) -> Ratio:
    """Set seconds against seconds, round by round."""
    low, median, high = np.quantile(np.array(others) / np.array(mine), (0.25, 0.5, 0.75))
    return Ratio(float(median), float(low), float(high))


def ratios(found: Mapping[str, Sequence[float]], mine: str) -> dict[str, Ratio]:
    """Give the speed of `mine` over that of each other."""
    return {name: ratio(found[mine], times) for name, times in found.items() if name != mine}
