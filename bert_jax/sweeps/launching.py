"""Start runs, some at once, until all have ended or the user asks to stop."""

import itertools
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from bert_jax.errors import WorkdirInUse
from bert_jax.sweeps.outcome import note_outcome
from bert_jax.sweeps.plan import PlannedRun
from bert_jax.training.signals import StopRequest

_BETWEEN_LOOKS = 0.5  # seconds
_BETWEEN_TRIES = 30.0  # seconds, for a run that another process holds


class Process(Protocol):
    """A run that was started."""

    def poll(self) -> int | None:
        """Return its exit code, or None as long as it runs."""
        ...

    def at_work(self) -> bool:
        """Tell whether it runs, or waits for a machine."""
        ...

    def stop(self, number: int) -> None:
        """Pass a signal on, so that it saves and leaves."""
        ...


class Launcher(Protocol):
    """What starts runs somewhere; at most so many at once."""

    at_once: int

    def start(self, runs: Sequence[PlannedRun]) -> list[Process]:
        """Start runs that there is room for, and forget how they ended before."""
        ...


class Watcher(Protocol):
    """Who is told how it goes."""

    def look(self, live: Sequence[PlannedRun]) -> None:
        """See which runs are at work; called every moment."""
        ...

    def ended(self, run: PlannedRun, code: int, error: str) -> None:
        """See a run that has ended."""
        ...

    def say(self, text: str) -> None:
        """Show a line."""
        ...


def launch(
    runs: Iterable[PlannedRun], launcher: Launcher, stop: StopRequest, watcher: Watcher
) -> None:
    """Start every run and wait for all; a run that fails does not end the others.

    A run is taken when there is room for it, so it may be one that is chosen by how others ended.
    Once a stop is asked for nothing is started; what runs is told, and waited for. A run that
    another process holds, perhaps one that outlived a sweep that was killed, is tried again
    until that has ended.
    """
    untried = iter(runs)
    waiting: list[tuple[float, PlannedRun]] = []  # not before then
    live: dict[PlannedRun, Process] = {}
    told = False
    while True:
        if stop.number is not None and not told:
            untried = iter(())
            waiting.clear()
            for process in live.values():
                process.stop(stop.number)
            told = True
        room = launcher.at_once - len(live)
        ready = [entry for entry in waiting if entry[0] <= time.monotonic()][:room]
        waiting = [entry for entry in waiting if entry not in ready]
        starting = [run for _, run in ready]
        starting += itertools.islice(untried, room - len(starting))
        if starting:
            live |= zip(starting, launcher.start(starting), strict=True)
        if not waiting and not live:
            return
        for run, process in list(live.items()):
            code = process.poll()
            if code is None:
                continue
            del live[run]
            error = note_outcome(run.folder, code)
            if code == WorkdirInUse.exit_code and not told:
                watcher.say(f"{run.name}: {error}; tried again every {_BETWEEN_TRIES:.0f} seconds")
                waiting.append((time.monotonic() + _BETWEEN_TRIES, run))
            else:
                watcher.ended(run, code, error)
        watcher.look([run for run, process in live.items() if process.at_work()])
        if waiting or live:
            time.sleep(_BETWEEN_LOOKS)
