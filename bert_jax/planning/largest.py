"""The largest number that fits, found with few trials where each is dear."""

import math
from collections.abc import Callable
from dataclasses import dataclass

_FARTHEST = 16  # times the largest number that fits so far, to be tried next


@dataclass(frozen=True)
class Largest:
    """What a search found.

    Attributes:
        fits: the largest number tried that fits; 0 if none did.
        next: the smallest tried that does not; None where the search ended before it met one.
        tried: every number tried with what it needs.
    """

    fits: int
    next: int | None
    tried: dict[int, float]


def search(
    need: Callable[[int], float],
    limit: float,
    *,
    start: int,
    tolerance: float = 0.02,
    most: int = 12,
) -> Largest:
    """Find the largest number whose need is within a limit.

    What two trials need tells where a third should be, since need grows nearly in proportion; each
    trial narrows the bounds, so wherever it is wrong the search is a bisection.

    Args:
        need: grows with the number; infinity where it is only known to be too much.
        limit: of what is needed.
        start: a number to begin with, at least 1.
        tolerance: how far `fits` may be from `next`, as a share; a difference of 1 always is.
        most: trials.
    """
    tried = {start: need(start)}

    def bounds() -> tuple[int, int | None]:
        fitting = [n for n, needed in tried.items() if needed <= limit]
        failing = [n for n, needed in tried.items() if needed > limit]
        return max(fitting, default=0), min(failing, default=None)

    for _ in range(most - 1):
        low, high = bounds()
        if high is not None and high - low <= max(1, int(tolerance * low)):
            break
        number = _guess(tried, limit, low, high, max(1, int(tolerance * low)))
        tried[number] = need(number)
    low, high = bounds()
    return Largest(low, high, dict(sorted(tried.items())))


def _guess(tried: dict[int, float], limit: float, low: int, high: int | None, enough: int) -> int:
    """Choose what to try next: where a line through two trials meets the limit, or the middle."""
    middle = 2 * low if high is None else (low + high) // 2
    finite = sorted((abs(needed - limit), n) for n, needed in tried.items() if needed < math.inf)
    if high is None:
        nearest = sorted(tried)[-2:]
    elif low and tried[high] < math.inf:
        nearest = [low, high]
    else:
        nearest = sorted(n for _, n in finite[:2])
    # Where need is no line, lines can creep up on the limit from one side: bisect now and then.
    creeping = high is not None and len(tried) % 3 == 0
    if len(nearest) < 2 or creeping:
        return max(middle, low + 1)
    first, second = nearest
    slope = (tried[second] - tried[first]) / (second - first)
    at = int(first + (limit - tried[first]) / slope) if slope > 0 else middle
    if high is None:
        return min(max(at, low + 1), _FARTHEST * low)
    if at >= high:  # the compiler refused a number that a line would let pass
        return middle
    # Next to a bound, the bound itself is as good: a step from it may end the search.
    if at - low < enough:
        at = low + enough
    elif high - at < enough:
        at = high - enough
    return min(max(at, low + 1), high - 1)
