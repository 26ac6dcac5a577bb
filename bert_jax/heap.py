"""The memory of a process that computes on a CPU: kept from step to step, but no more than that."""

import ctypes
import os
import platform
import sys
import time
from pathlib import Path

# Settings of glibc's allocator under which a step of XLA's on a CPU finds the memory of the one
# before: huge pages, nothing mapped for one array, nothing given back, one heap for all threads.
ALLOCATOR = ":".join(
    f"glibc.malloc.{name}"
    for name in ("hugetlb=1", "mmap_max=0", f"trim_threshold={2**62}", "arena_max=1")
)
_ACCELERATORS = ("nvidia[0-9]*", "accel*", "vfio/[0-9]*", "kfd", "dxg")  # in /dev

GROWN = 1.1  # so many times what was needed is more than is needed
# What has been given back has to be cleared when it is taken again, at about 1 GB/s with all that
# belongs to it; the second number is the part of the time that may go into that.
CLEARED, SHARE = 1e9, 0.01


def keep_memory() -> None:
    """Start this process anew with an allocator that keeps what it has, where that helps.

    XLA takes fresh memory for a step's arrays on a CPU, 190 MB a step already for `tiny`. The
    kernel has to find, clear and map it: a quarter of a step in pages of 4 kB, and in huge pages
    still a quarter where other programs have left few of them whole (experiments/LOG.md). glibc
    reads the settings only when a process starts. Does nothing where the user has set any of them,
    without glibc, or beside an accelerator, whose host has many threads and no such arrays.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if "glibc.malloc." in tunables or platform.libc_ver()[0] != "glibc":
        return
    if _beside_an_accelerator():
        return
    both = f"{tunables}:{ALLOCATOR}" if tunables else ALLOCATOR
    sys.stdout.flush()
    os.execve(
        sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"GLIBC_TUNABLES": both}
    )


class KeptMemory:
    """What a process keeps between steps; what is more than a step needs goes back to the system.

    XLA has the memory of a step aligned to 64 bytes, for which glibc takes some bytes more and
    frees them at once. Anything small may get them before the step has ended, and the next one, for
    whom the place is then too small by those bytes, takes another beside it: 1.4 GB of `base` each
    time, at random, seldomer and seldomer (experiments/LOG.md). Does nothing where the allocator
    does not keep memory.
    """

    def __init__(self) -> None:
        self._needed = 0
        self._not_before = 0.0
        self._keeps = ALLOCATOR in os.environ.get("GLIBC_TUNABLES", "")

    def look(self) -> None:
        """Give back what is free if the process has grown; to be called between steps."""
        if not self._keeps:
            return
        held = _resident()
        self._needed = min(self._needed or held, held)
        if held <= GROWN * self._needed or time.monotonic() < self._not_before:
            return
        ctypes.CDLL(None).malloc_trim(0)
        given_back = max(held - _resident(), 0)
        self._not_before = time.monotonic() + given_back / CLEARED / SHARE
        self._needed = 0  # to be seen after the next step, which takes its memory anew


def _resident() -> int:
    """Return how much memory the process has of the machine's, in bytes; 0 where none says so."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _beside_an_accelerator() -> bool:
    return any(any(Path("/dev").glob(name)) for name in _ACCELERATORS)
