"""How fast a run walks through its recipe, where the time it may take decides."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bert_jax.training.stage import Intervals, Stage

_SLOW_STEPS = 1000  # of the whole recipe, the least that a run is taken to have until it is timed
_TOLERANCE = 1e-6  # of a step of the recipe: rounding must not move where a phase begins


@dataclass(frozen=True)
class Pace:
    """At which step of its recipe each step of a run stands.

    A recipe is what a config says: schedule, warm-up and phases over a number of steps. A run that
    takes more or fewer walks through it slower or faster, and all of these stretch with it. Where
    it is planned anew it goes on from where it stands, so the rate never jumps.

    Attributes:
        knots: (step of the run, step of the recipe), both rising, with straight lines between
            them; the last is the last step of both.
    """

    knots: tuple[tuple[int, float], ...]

    @property
    def steps(self) -> int:
        """The steps of the run."""
        return self.knots[-1][0] + 1

    @property
    def recipe_steps(self) -> int:
        """The steps of the recipe."""
        return round(self.knots[-1][1]) + 1

    def positions(self) -> NDArray[np.float64]:
        """Return the step of the recipe for each step of the run."""
        steps, places = zip(*self.knots, strict=True)
        return np.interp(np.arange(self.steps), steps, places)

    def first_at(self, place: int) -> int:
        """Return the run's first step at a step of the recipe or beyond; its end if none is."""
        return int(np.searchsorted(self.positions(), place - _TOLERANCE))

    def replanned(self, done: int, left: int) -> "Pace":
        """Take the rest of the recipe in other steps.

        Args:
            done: steps taken, at least 1; where they stood stays.
            left: steps to take, at least 1.
        """
        last = done - 1
        here = float(self.positions()[last])
        kept = [knot for knot in self.knots if knot[0] < last]
        return Pace((*kept, (last, here), (last + left, self.knots[-1][1])))


def untimed(recipe_steps: int) -> Pace:
    """Give the pace of a run before its steps are timed: a few of them must not use up much."""
    return Pace(((0, 0.0), (max(recipe_steps, _SLOW_STEPS) - 1, float(recipe_steps - 1))))


def steps_in(seconds: float, stretches: Sequence[tuple[float, float]]) -> int:
    """Return how many steps fit into a time, at least 1.

    Args:
        seconds: the time.
        stretches: of the recipe that is left, one a phase: its length, and seconds a step there.
            Steps are spread evenly over the recipe.
    """
    length = sum(of_phase for of_phase, _ in stretches)
    mean = sum(of_phase * step for of_phase, step in stretches) / max(length, _TOLERANCE)
    return max(1, int(seconds / max(mean, 1e-9)))


@dataclass(frozen=True)
class Course:
    """What lies before a run.

    Attributes:
        stages: those that it began with, where they begin and end now.
        rates: the learning rate of every step.
        intervals: how often to log, evaluate and save.
        note: what the user should know of it; "" for nothing.
    """

    stages: Sequence["Stage"]
    rates: NDArray[np.float32]
    intervals: "Intervals"
    note: str = ""


class Pacing(Protocol):
    """Whoever decides while a run goes on how many steps it takes."""

    def begin(self, step: int) -> Course:
        """Say what lies before a run that is about to take the step."""
        ...

    def due(self, done: int) -> bool:
        """Tell whether to look at the clock; asked after each step."""
        ...

    def look(self, done: int) -> Course | None:
        """Look at the clock, when all steps taken are finished, and say what lies ahead.

        None where that has not changed.
        """
        ...

    def timed(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Take the time of what is no step: "evaluation" or "saving"."""
        ...
