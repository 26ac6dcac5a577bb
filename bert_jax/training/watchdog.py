"""Ends a run that hangs, with a look at where: better than a machine that idles until morning."""

import contextlib
import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

from bert_jax.errors import ConfigError, Stuck

_TICKS = 20  # looks within the time allowed


class Watchdog:
    """A thread that leaves the process with code 8 when nobody has said `alive` for too long.

    Time in which the process itself was stopped, by a signal or a closed lid, does not count.

    Args:
        seconds: the time allowed; 0 for ever.
        leave: ends the process.

    Raises:
        ConfigError: the time is negative.
    """

    def __init__(self, seconds: float, leave: Callable[[int], object] = os._exit) -> None:
        if seconds < 0:
            raise ConfigError(f"config.train.watchdog_seconds={seconds}: wants 0 or more")
        self._seconds = seconds
        self._leave = leave
        self._idle = 0.0
        self._asleep = False
        self._done = threading.Event()

    def __enter__(self) -> "Watchdog":
        if self._seconds:
            self._done.clear()
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()

    def alive(self) -> None:
        """Say that something was finished."""
        self._idle = 0.0

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """Allow what is done inside as long as it takes, as an evaluation of many rows may."""
        self._asleep = True
        try:
            yield
        finally:
            self._asleep, self._idle = False, 0.0

    def _watch(self) -> None:
        tick = self._seconds / _TICKS
        while not self._done.wait(tick):
            if self._asleep:
                continue
            self._idle += tick  # a clock would run on in a stopped process
            if self._idle >= self._seconds:
                print(
                    f"error: nothing was finished for {self._seconds:.0f} seconds; where every "
                    "thread stands follows. The last checkpoint is good, the same command "
                    "continues. config.train.watchdog_seconds sets the time.",
                    file=sys.stderr,
                )
                faulthandler.dump_traceback(all_threads=True)
                self._leave(Stuck.exit_code)
                return
