"""Being asked to stop: the first time where nothing is lost by it, the second time at once."""

import contextlib
import signal
from collections.abc import Iterator


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

    def _receive(self, number: int, frame: object) -> None:
        del frame
        self.number = number
        signal.signal(number, signal.SIG_DFL)
        if self._at_once:
            raise Stopped(number)


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
