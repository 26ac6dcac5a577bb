"""Batches made ahead of the steps that use them."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetched(make: Callable[[int], T], start: int, end: int, depth: int = 3) -> Iterator[T]:
    """Yield make(start), ..., make(end - 1), each begun up to `depth` calls before it is needed."""
    ahead: deque[Future[T]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as worker:
        upcoming = iter(range(start, end))
        for index in upcoming:
            ahead.append(worker.submit(make, index))
            if len(ahead) > depth:
                break
        try:
            while ahead:
                yield ahead.popleft().result()
                for index in upcoming:
                    ahead.append(worker.submit(make, index))
                    break
        finally:
            for future in ahead:
                future.cancel()
