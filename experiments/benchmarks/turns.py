"""Processes that take turns: each does some steps when told to, while the others wait.

A contestant calls `serve` with its step; the driver talks to it by lines over its standard input
and output. The standard library alone, since both sides' environments import this.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO


class Contestant:
    """A process that waits for its turns, once it was started and has done its first step."""

    _process: subprocess.Popen[str]
    began: Mapping[str, Any]  # what it says of itself
    first_step_seconds: float

    def __init__(self, name: str, command: Sequence[str], log: Path, **environment: str) -> None:
        self.name = name
        self._command, self._log, self._environment = list(command), log, environment

    def start(self) -> None:
        """Start it; it begins to compile."""
        self._started = time.perf_counter()
        with self._log.open("w") as file:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env=os.environ | self._environment,
            )

    def wait(self) -> None:
        """Return when its first step is done."""
        self.began = self._answer()
        self.first_step_seconds = time.perf_counter() - self._started

    def turn(self, steps: int) -> float:
        """Have it do some steps; return seconds a step."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return self._answer()["seconds"] / steps

    def end(self) -> Mapping[str, Any]:
        """Let it go; return what it says last: its peak memory."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        said = self._answer()
        self._close()
        return said

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # libraries print, too
                return json.loads(line)
        self._close()
        raise SystemExit(f"{self.name} ended before it answered; see {self._log}")


def serve(
    step: Callable[[], object],
    wait: Callable[[], object],
    peak: Callable[[], int] | None = None,
    **about: Any,
) -> None:
    """Do a first step, then as many as each line asks for, until there are no more lines.

    Args:
        step: does one, or begins it.
        wait: returns when all that was begun is done.
        peak: tells the peak memory of a device, bytes; None: that of this process counts.
        about: what to say of oneself.
    """
    out = sys.stdout
    _run(step, wait, 1)
    _say(out, about)
    for line in sys.stdin:
        _run(step, wait, 1)  # not counted: it takes back the memory that others have had
        _say(out, {"seconds": _run(step, wait, int(line))})
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _say(out, {"peak_bytes": peak() if peak else 1024 * kilobytes})


def _run(step: Callable[[], object], wait: Callable[[], object], steps: int) -> float:
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return time.perf_counter() - begun


def _say(out: TextIO, what: Mapping[str, Any]) -> None:
    print(json.dumps(what), file=out, flush=True)
