"""Being asked to stop: the first time at the end of a step, the second time at once."""

import contextlib
import signal
from collections.abc import Iterator


class Stopped(Exception):
    """Training ended early, on request, with its state saved.

    Attributes:
        exit_code: 128 + the signal's number, as shells report it.
    """

    def __init__(self, number: int, step: int) -> None:
        super().__init__(f"{signal.Signals(number).name} at step {step}")
        self.exit_code = 128 + number


class StopRequest:
    """Whether SIGTERM or SIGINT has arrived."""

    number: int | None = None

    def _receive(self, number: int, frame: object) -> None:
        del frame
        self.number = number
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Listen for SIGTERM and SIGINT, and put the old handlers back afterwards."""
    request = StopRequest()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, request._receive) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
