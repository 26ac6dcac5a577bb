"""Commands as processes of their own, to be killed at a moment of one's choice."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bert_jax.heap import ALLOCATOR

ROOT = Path(__file__).resolve().parents[2]
# One device, as a user has; programs compiled once, quickly, and alike in every process.
SETTINGS = {
    "JAX_PLATFORMS": "cpu",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
    "PYTHONFAULTHANDLER": "1",
    "GLIBC_TUNABLES": ALLOCATOR,  # else an entry starts itself once more
}
_SECONDS = 1_800.0  # after which a process that should have ended hangs
_LOOK = 0.001  # seconds between two looks at what a process has done


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code; minus the signal's number where one killed it.
        error: what it wrote to standard error.
        out: what it wrote to standard output.
    """

    code: int
    error: str
    out: str

    @property
    def is_clear(self) -> bool:
        """Whether the error is one line; what preparation says of its progress stands before it."""
        lines = self.error.strip().splitlines()
        found = [line for line in lines if not line.startswith(("reading", "encoding", "training"))]
        return len(found) == 1 and found[0].startswith("error: ")


class Process:
    """A command that runs, with its output in two files."""

    def __init__(self, command: list[str], logs: Path, cache: Path) -> None:
        """Start it.

        Args:
            command: to run in the root of the repository.
            logs: a folder for what it prints.
            cache: a folder for compiled programs, which all processes share.
        """
        logs.mkdir(parents=True, exist_ok=True)
        number = len(list(logs.glob("*.out")))
        self._files = [logs / f"{number:03d}.{name}" for name in ("out", "err")]
        with open(self._files[0], "wb") as out, open(self._files[1], "wb") as error:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment(cache), stdout=out, stderr=error
            )

    @property
    def number(self) -> int:
        """The process's id."""
        return self._process.pid

    def wait_until(self, happened: Callable[[], bool]) -> bool:
        """Look again and again; tell whether it happened before the process ended."""
        deadline = time.monotonic() + _SECONDS
        while not happened():
            if self._process.poll() is not None:
                return happened()
            if time.monotonic() > deadline:
                self.send(signal.SIGABRT)  # Python prints where it stands
                return False
            time.sleep(_LOOK)
        return True

    def send(self, number: int) -> None:
        """Send a signal, if there is still someone to receive it."""
        self._process.send_signal(number)

    def end(self) -> Ended:
        """Wait for the end."""
        try:
            code = self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            code = 124
        out, error = (path.read_text(errors="replace") for path in self._files)
        return Ended(code, error, out)


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def run(command: list[str], logs: Path, cache: Path) -> Ended:
    """Run a command to its end."""
    return Process(command, logs, cache).end()


def environment(cache: Path) -> dict[str, str]:
    """Give a process's environment; compiled programs are kept in a folder."""
    return os.environ | SETTINGS | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
