"""Loops of several runs that keep step: each does what it does alone, the steps are one."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bert_jax.errors import NumericsError
from bert_jax.heap import KeptMemory
from bert_jax.training.abreast import NO_STEP, Abreast, Told
from bert_jax.training.loop import Computed, Loop
from bert_jax.training.prefetch import prefetched
from bert_jax.training.progress import Progress
from bert_jax.training.signals import Stopped, StopRequest
from bert_jax.training.state import TrainState
from bert_jax.training.window import Window


class AgreedStop(StopRequest):
    """What loops are told of a signal: after a step all the same, so that all stop there.

    Args:
        stop: whether the user asked.
    """

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop

    def agree(self) -> None:
        """Look whether a signal has come."""
        if self._stop.reached():
            self.number = self._stop.number


@dataclass
class Convoy:
    """Several runs on their way together.

    Attributes:
        loops: of the runs, each with one stage over the same steps, this `stop`, and the same
            watchdog and stopwatch.
        abreast: computes their steps.
        batches: from a step to the batches of all.
        ended: hears which runs have ended, by their places, and of what error if of one; by then
            all others have done what they had to do at that step.
        stop: what the loops are told.
        progress: what the user sees.
    """

    loops: Sequence[Loop]
    abreast: Abreast
    batches: Callable[[int], Sequence[Any]]
    ended: Callable[[Mapping[int, NumericsError | None]], None]
    stop: AgreedStop
    progress: Progress

    def run(self, start: int, states: Sequence[TrainState], windows: Sequence[Window]) -> None:
        """Train all to the end of each.

        Args:
            start: the step at which all stand.
            states: donated.
            windows: what each loop knows of the steps before.

        Raises:
            Stopped: a signal came; all are saved.
        """
        end = self.loops[0].stages[0].end
        together = self.abreast.load(states)
        limits = np.full(len(self.loops), NO_STEP, np.float32)
        going = {
            place: loop.attend(0, start, window)
            for place, (loop, window) in enumerate(zip(self.loops, windows, strict=True))
        }

        def batch(step: int) -> Any:
            return self.abreast.put(self.batches(step))

        memory = KeptMemory()
        with self.loops[0].watchdog:
            self._attend(going, limits, None)
            for step, batches in zip(range(start, end), prefetched(batch, start, end), strict=True):
                if not going:
                    break
                rates = np.array([loop.rates[step] for loop in self.loops])
                # A copy, since the device may read it when the next limits are known.
                together, told = self.abreast.step(together, batches, rates, limits.copy())
                self.progress.advance()
                self.stop.agree()
                self._attend(going, limits, self._computed(together, told))
                memory.look()

    def _attend(
        self,
        going: dict[int, Generator[float, Computed, None]],
        limits: NDArray[np.float32],
        computed: Callable[[int], Computed] | None,
    ) -> None:
        """Give each run what came of its step, if it began; take its next limit, or let it go."""
        over: dict[int, NumericsError | None] = {}
        stopped = None
        for place, attending in list(going.items()):
            try:
                limits[place] = attending.send(computed(place)) if computed else next(attending)
                continue
            except StopIteration:
                over[place] = None
            except NumericsError as error:
                over[place] = error
            except Stopped as signal:
                stopped = signal
            del going[place]
            limits[place] = NO_STEP
        if stopped:
            raise stopped
        if over:
            with self.loops[0].watchdog.asleep():
                self.ended(over)

    def _computed(self, states: Any, told: Callable[[], Told]) -> Callable[[int], Computed]:
        return lambda place: Computed(
            state=lambda: self.abreast.one(states, place),
            metrics=lambda: told()[place][0],
            norms=lambda: told()[place][1],
        )
