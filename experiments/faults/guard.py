"""What comes out of a call that is given something bad: the errors, the traceback, the hang."""

import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bert_jax.errors import BertJaxError


@dataclass(frozen=True)
class Came:
    """What came out.

    Attributes:
        kind: "fine", "refused", "refused in several lines", "traceback" or "hang".
        value: what was returned.
        text: the error's.
        warned: the texts of warnings.
    """

    kind: str
    value: Any = None
    text: str = ""
    warned: tuple[str, ...] = ()

    @property
    def is_clear(self) -> bool:
        """Whether it worked, or was refused in one line."""
        return self.kind in ("fine", "refused")


class _Hang(BaseException):
    """The time is over; nothing may catch it."""


def call(action: Callable[[], Any], seconds: float = 20.0) -> Came:
    """Call something, and sort what comes out.

    Args:
        action: what to call.
        seconds: of processor time that it may take.
    """
    with warnings.catch_warnings(record=True) as heard, _Alarm(seconds):
        warnings.simplefilter("always")
        try:
            came = Came("fine", value=action())
        except _Hang:
            came = Came("hang", text=f"over {seconds:.0f} s")
        except BertJaxError as error:
            one_line = str(error).strip() and len(str(error).splitlines()) == 1
            came = Came("refused" if one_line else "refused in several lines", text=str(error))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a library's panic is no Exception
            came = Came("traceback", text=_describe(error))
    return Came(came.kind, came.value, came.text, tuple(str(w.message) for w in heard))


def _describe(error: BaseException) -> str:
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        _, found, name = frame.filename.rpartition("bert_jax/")
        if found:
            return f"{text} at {name}:{frame.lineno}"
    return text


class _Alarm:
    """Ends what takes too long: by processor time, and, should it sleep, by the clock."""

    _TIMERS = ((signal.SIGPROF, signal.ITIMER_PROF, 1), (signal.SIGALRM, signal.ITIMER_REAL, 30))

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._before = [signal.signal(number, _ring) for number, _, _ in self._TIMERS]
        for _, timer, times in self._TIMERS:
            signal.setitimer(timer, self._seconds * times)

    def __exit__(self, *_: object) -> None:
        for (number, timer, _), handler in zip(self._TIMERS, self._before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def _ring(number: int, frame: object) -> None:
    raise _Hang
