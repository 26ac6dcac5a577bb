"""Being asked to stop: the first time where nothing is lost by it, the second time at once."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

from bert_jax.training.processes import Processes

# Slurm sends SIGTERM twice, a fifth of a second apart, to what has to make room for another job,
# and a launcher that passes it on adds to that. Within so many seconds it is one request.
SAME_SECONDS = 10.0


class Stopped(BaseException):
    """Work ended early, on request. No `Exception`: what handles errors is not to handle this.

    Attributes:
        exit_code: 128 + the signal's number, as shells report it.
    """

    def __init__(self, number: int, kept: str = "") -> None:
        """Say what by, and what was kept: ", saved"."""
        super().__init__(f"stopped by {signal.Signals(number).name}{kept}")
        self.exit_code = 128 + number


class StopRequest:
    """Whether SIGTERM or SIGINT has arrived."""

    number: int | None = None
    _at_once = False
    _terminated: float | None = None  # when the first SIGTERM arrived

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Leave as soon as a signal arrives, or if one has: inside there is nothing to be saved.

        Raises:
            Stopped: from whatever was being done.
        """
        self._at_once = True
        try:
            if self.number is not None:
                raise Stopped(self.number)
            yield
        finally:
            self._at_once = False

    def reached(self) -> bool:
        """Tell, after a step, whether to stop there."""
        return self.number is not None

    def _receive(self, number: int, frame: object) -> None:
        del frame
        if number == signal.SIGINT:
            # A person's second one ends the process even where Python hangs.
            signal.signal(number, signal.SIG_DFL)
        elif self._terminated is None:
            self._terminated = time.monotonic()
        elif time.monotonic() - self._terminated < SAME_SECONDS:
            return
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.number = number
        if self._at_once:
            raise Stopped(number)


class SharedStop(StopRequest):
    """A request that reaches one of several processes, and that all follow after the same step.

    Each asks `reached` at the same places. Whoever got the signal announces it; each then says
    how often it has asked, and asks no more until it knows that of all the others: the next time
    that nobody has had an answer for is where all stop. Nothing is exchanged in a step before that.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._lock = threading.Lock()
        self._asked = 0
        self._stop_at: int | None = None

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Wait for the next step even so: who left alone would keep the others waiting."""
        yield

    def reached(self) -> bool:
        """Tell, after a step, whether all stop there."""
        with self._lock:
            self._asked += 1
            return self._stop_at is not None and self._asked >= self._stop_at

    def look(self) -> None:
        """Announce the signal, or hear of it, and agree where to stop."""
        if self._stop_at is not None:
            return
        if self.number is not None:
            self._processes.announce("stop", str(self.number))
        number = self._processes.heard().get("stop")
        if number is None:
            return
        with self._lock:
            asked = self._processes.exchange("asked to stop", str(self._asked))
            self._stop_at = max(map(int, asked)) + 1
            self.number = int(number)


@contextlib.contextmanager
def stop_requests(processes: Processes | None = None) -> Iterator[StopRequest]:
    """Listen for SIGTERM and SIGINT, and put the old handlers back afterwards.

    Args:
        processes: those that stop together, if there are others; all have to come to the end.
    """
    if processes is None or processes.count == 1:
        with _listening(StopRequest()) as request:
            yield request
        return
    shared = SharedStop(processes)
    with _listening(shared), processes.looking(shared.look):
        yield shared
        processes.barrier("no more stops")  # until then each answers the others


@contextlib.contextmanager
def _listening(request: StopRequest) -> Iterator[StopRequest]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, request._receive) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
