"""Learning rates as functions of the step."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

SHAPES = ("linear", "linear_after_warmup", "cosine", "constant")


@dataclass(frozen=True)
class Schedule:
    """A warm-up and a decay over a stretch of steps.

    Attributes:
        peak: learning rate that warm-up aims at.
        warmup_steps: steps of linear warm-up.
        shape: how the rate falls from the first step to the last: linear, cosine, constant; or
            linear_after_warmup, which falls from the end of warm-up.
        end: learning rate at the last step; constant ignores it.

    Raises:
        ValueError: a value is out of range.
    """

    peak: float
    warmup_steps: int
    shape: str
    end: float

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"schedule={self.shape!r} must be one of {', '.join(SHAPES)}")
        if self.peak <= 0 or self.end < 0 or self.warmup_steps < 0:
            raise ValueError("learning rates and warmup_steps must not be negative")


def learning_rate(schedule: Schedule, steps: int) -> optax.Schedule:
    """Build the rate over `steps` steps.

    As in Google's `optimization.py`: decay runs over all steps from the first one, and warm-up
    overrides it while it lasts, so the rate steps down slightly where warm-up ends. Hugging
    Face's linear schedule reaches the peak there; that is "linear_after_warmup".
    """
    if schedule.shape == "linear":
        decay = optax.linear_schedule(schedule.peak, schedule.end, steps)
    elif schedule.shape == "linear_after_warmup":
        falling = max(steps - schedule.warmup_steps, 1)
        decay = optax.linear_schedule(schedule.peak, schedule.end, falling, schedule.warmup_steps)
    elif schedule.shape == "cosine":
        floor = schedule.end / schedule.peak
        decay = optax.cosine_decay_schedule(schedule.peak, steps, alpha=floor)
    else:
        decay = optax.constant_schedule(schedule.peak)

    def rate(step):  # type: ignore[no-untyped-def]
        warming = schedule.peak * step / max(schedule.warmup_steps, 1)
        return jnp.where(step < schedule.warmup_steps, warming, decay(step))

    return rate


def tabulated(rate: optax.Schedule, steps: int) -> NDArray[np.float32]:
    """Compute the rate of every step of a run."""
    return np.asarray(jax.vmap(rate)(jnp.arange(steps)), np.float32)


class RateTable:
    """A schedule at any places, compiled once."""

    _ROWS = 4096  # computed at once

    def __init__(self, rate: optax.Schedule) -> None:
        self._rates = jax.jit(jax.vmap(rate))

    def __call__(self, places: NDArray[np.float64]) -> NDArray[np.float32]:
        """Compute the rates at places, which may lie between the schedule's steps."""
        padded = np.zeros(-(-len(places) // self._ROWS) * self._ROWS, np.float32)
        padded[: len(places)] = places
        parts = [np.asarray(self._rates(part)) for part in padded.reshape(-1, self._ROWS)]
        return np.concatenate(parts)[: len(places)].astype(np.float32)


def joined(pieces: Sequence[tuple[int, optax.Schedule]]) -> optax.Schedule:
    """Join schedules; each piece is (first step, schedule counted from that step)."""
    starts = [start for start, _ in pieces[1:]]
    return optax.join_schedules([schedule for _, schedule in pieces], starts)
