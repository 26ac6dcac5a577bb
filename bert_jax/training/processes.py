"""The processes that train one model together: who writes, who waits, what all hear of.

Computations synchronise devices by themselves. This is for all else, and goes over the coordination
service of `jax.distributed`, a small store of texts in process 0 that needs no device.
"""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from bert_jax.disk import refusal
from bert_jax.errors import BertJaxError, DiskError, ProcessLost

T = TypeVar("T")

LOOK_SECONDS = 0.5  # between two looks at what other processes have to say
ROLL_CALL_SECONDS = 5.0  # for the others to say that they are still there
_LONGEST_MS = 7 * 24 * 3600 * 1000  # a wait that another's death ends, not a clock
_LISTED = 16  # processes named in a message at most


class Processes:
    """The processes of a run, seen from one of them.

    Whatever is awaited here is awaited by all, in the same order. A process that fails tells the
    others, and they leave too; one that just dies is noticed by JAX's heartbeats.
    """

    def __init__(self, client: Any = None, index: int = 0, count: int = 1) -> None:
        """Describe them.

        Args:
            client: of JAX's coordination service; None for a process that is alone.
            index: this process's number, from 0.
            count: how many there are.
        """
        self._client, self.index, self.count = client, index, count
        self._uses: dict[str, int] = {}
        self._hosts: list[str] = [socket.gethostname()]
        self._looks: list[Callable[[], None]] = []
        self._over = threading.Event()

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.index == 0

    def barrier(self, name: str) -> None:
        """Wait until all processes are here."""
        if self._client is not None:
            self._client.wait_at_barrier(self._key(name), _LONGEST_MS)

    def told(self, name: str, text: str) -> str:
        """Return what process 0 gave as text; that of the others does not count."""
        if self._client is None:
            return text
        key = self._key(name)
        if self.first:
            self._client.key_value_set(key, text)
            return text
        return self._client.blocking_key_value_get(key, _LONGEST_MS)

    def exchange(self, name: str, text: str) -> list[str]:
        """Return the text of every process, in their order."""
        if self._client is None:
            return [text]
        key = self._key(name)
        self._client.key_value_set(f"{key}/{self.index}", text)
        self._client.wait_at_barrier(key, _LONGEST_MS)
        texts = self._client.key_value_dir_get(f"{key}/")
        return [text for _, text in sorted(texts, key=lambda entry: _number(entry[0]))]

    def in_turn(self, name: str, work: Callable[[], T]) -> T:
        """Have process 0 do something, and the others after it, who then find it done."""
        if not self.first:
            self.barrier(name)
            return work()
        result = work()
        self.barrier(name)
        return result

    def announce(self, name: str, text: str) -> None:
        """Say something that nobody waits for; what was said first stands."""
        assert self._client is not None
        with contextlib.suppress(Exception):  # said already, or process 0 is gone
            self._client.key_value_set(f"bert_jax/said/{name}", text)

    def heard(self) -> dict[str, str]:
        """Return what was announced by name, nothing where process 0 does not answer."""
        assert self._client is not None
        try:
            said = self._client.key_value_dir_get("bert_jax/said/")
        except Exception:  # the abort that JAX has in store for this case says more
            return {}
        return {key.removeprefix("bert_jax/said/"): text for key, text in said}

    @contextlib.contextmanager
    def looking(self, look: Callable[[], None]) -> Iterator[None]:
        """Have something looked after, again and again, on a thread of its own."""
        self._looks.append(look)
        try:
            yield
        finally:
            self._looks.remove(look)

    def name(self, index: int) -> str:
        """Name a process and its machine."""
        host = self._hosts[index] if index < len(self._hosts) else "?"
        return f"process {index} on {host}"

    def describe(self) -> str:
        """Name them all, or the first of many."""
        names = [f"{i} on {host}" for i, host in enumerate(self._hosts[:_LISTED])]
        return ", ".join(names) + (", ..." if len(self._hosts) > _LISTED else "")

    def begin(self) -> None:
        """Get to know the others, and listen to them from now on."""
        self._hosts = self.exchange("hosts", socket.gethostname())
        self._looks.append(self._listen)
        threading.Thread(target=self._look, name="processes", daemon=True).start()

    def end(self) -> None:
        """Listen no more."""
        self._over.set()

    def fail(self, error: BaseException) -> BaseException:
        """Tell the others what this process leaves for, or find out that one of them died.

        Returns:
            the error to leave with: the one given, or a `ProcessLost` that explains it.
        """
        missing = self._missing() if _of_runtime(error) else []
        self._over.set()
        if missing:
            names = ", ".join(map(self.name, missing[:_LISTED]))
            self._linger()
            return ProcessLost(
                f"{names} died: look at its log first. This is {self.name(self.index)}; the last "
                "checkpoint is good, and the same command on every host continues from there "
                f"(noticed by: {_short(error)})"
            )
        reason = str(error) if isinstance(error, BertJaxError) else _short(error)
        self.announce(f"failed/{self.index}", f"{exit_code(error)} {reason}")
        self._linger()
        return error

    def _missing(self) -> list[int]:
        """Call the roll after a computation failed; give who does not answer.

        The answers come from the threads that look: a process that is busy is still there.
        """
        self.announce("roll call", "")
        deadline = time.monotonic() + ROLL_CALL_SECONDS
        here: set[int] = set()
        while len(here) < self.count and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            here = {_number(name) for name in self.heard() if name.startswith("here/")}
        return sorted(set(range(self.count)) - here)

    def _listen(self) -> None:
        """Answer a roll call; leave when another process failed."""
        said = self.heard()
        if "roll call" in said and f"here/{self.index}" not in said:
            self.announce(f"here/{self.index}", "")
        for name, text in sorted(said.items()):
            if name.startswith("failed/"):
                self._leave_too(_number(name), text)

    def _linger(self) -> None:
        """Stay until the others have heard, if this process keeps the store."""
        if self.first:
            time.sleep(4 * LOOK_SECONDS)

    def _leave_too(self, failed: int, text: str) -> None:
        code, _, reason = text.partition(" ")
        print(
            f"error: {self.name(failed)} failed: {reason} (this is {self.name(self.index)}, which "
            "leaves too)",
            file=sys.stderr,
            flush=True,
        )
        self._linger()
        os._exit(int(code))

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for look in tuple(self._looks):
                with contextlib.suppress(RuntimeError):  # process 0 is gone: JAX will say so
                    look()

    def _key(self, name: str) -> str:
        # A barrier's name, and a key, can be used once.
        self._uses[name] = self._uses.get(name, 0) + 1
        return f"bert_jax/{name}/{self._uses[name]}"


_current = Processes()


def current() -> Processes:
    """Return the processes that this one trains with: itself alone, unless it joined others."""
    return _current


def set_current(processes: Processes) -> None:
    """Say whom this process trains with."""
    global _current
    _current = processes


def exit_code(error: BaseException) -> int:
    """Give the code that a process with this error leaves with."""
    if isinstance(error, BertJaxError):
        return error.exit_code
    full = isinstance(error, OSError) and refusal(error) is not None
    return DiskError.exit_code if full else 1


def _number(key: str) -> int:
    return int(key.rpartition("/")[2])


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _of_runtime(error: BaseException | None) -> bool:
    """Tell whether an error comes from a computation or a wait that others take part in."""
    import jax

    while error is not None:
        if isinstance(error, jax.errors.JaxRuntimeError):
            return not str(error).startswith("RESOURCE_EXHAUSTED")
        error = error.__cause__ or error.__context__
    return False
