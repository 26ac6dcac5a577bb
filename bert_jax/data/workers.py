"""Apply a function to a stream of items in several processes, in order and in bounded memory."""

import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from bert_jax.errors import DataError, Stuck

_IN_FLIGHT = 3  # items a worker; results wait in memory until their turn
_PATIENCE = 600  # seconds for an item that takes one or two


class Workers:
    """A pool of processes; with a count of 0 or 1 everything happens in this one.

    Raises, while items are mapped:
        DataError: a process died.
        Stuck: one was stopped, or does not come back.
    """

    def __init__(self, count: int):
        self._count = count if count > 1 else 0
        self._executor: ProcessPoolExecutor | None = None
        self._others = set(multiprocessing.active_children())  # of whoever calls

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            # What they still do is not wanted any more, and one that was stopped would never end.
            for process in set(multiprocessing.active_children()) - self._others:
                process.kill()
            # Nothing is cancelled: CPython 3.11 gives a lost worker's exception to what is
            # still to be done, cancelled or not, and fails at the former, in a thread of its own.
            self._executor.shutdown(wait=True)

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Yield function(item) for each item, in order; reads few items ahead."""
        if not self._count:
            yield from map(function, items)
            return
        if self._executor is None:
            self._executor = self._start()
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                waiting.append(self._executor.submit(function, item))
                if len(waiting) >= _IN_FLIGHT * self._count:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        except BrokenProcessPool:
            raise DataError(
                "a worker process died, most likely for lack of memory; use fewer --config.workers"
            ) from None

    def _start(self) -> ProcessPoolExecutor:
        # Not fork: the caller may hold threads of JAX, which a forked child would inherit locked.
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(self._count, mp_context=context, initializer=_begin)
        with _unnamed_main():
            executor.submit(int)  # starts the processes
        return executor


def _result(future: Future[Any]) -> Any:
    """Wait for a result, but not for ever."""
    # Counted in short waits: a clock would run on while this process itself is stopped.
    for _ in range(_PATIENCE):
        if concurrent.futures.wait([future], timeout=1.0).done:
            return future.result()
    raise Stuck(
        f"a worker process has not come back for {_PATIENCE} seconds; was it stopped, or does the "
        "text lie where nothing answers? The same command begins anew"
    )


@contextmanager
def _unnamed_main() -> Iterator[None]:
    """Keep new processes from importing the entry that runs here, and JAX with it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin() -> None:
    """Prepare a worker: one thread, Ctrl-C is the parent's affair, no life without a parent."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
