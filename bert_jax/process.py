"""What has to be settled before a process does any work."""

import hashlib
import os
import platform
import sys
from pathlib import Path

# Settings of glibc's allocator under which a step of XLA's on a CPU finds the memory of the one
# before: huge pages, nothing mapped for one array, nothing given back, one heap for all threads.
ALLOCATOR = ":".join(
    f"glibc.malloc.{name}"
    for name in ("hugetlb=1", "mmap_max=0", f"trim_threshold={2**62}", "arena_max=1")
)
_ACCELERATORS = ("nvidia[0-9]*", "accel*", "vfio/[0-9]*", "kfd", "dxg")  # in /dev

_COMPILED = "JAX_COMPILATION_CACHE_DIR"
MOST_COMPILED_BYTES = 2 * 2**30


def settle() -> None:
    """Settle all of it; an entry calls this first."""
    keep_compiled_programs()
    keep_memory()


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


def keep_compiled_programs() -> None:
    """Have JAX keep what it compiles in the user's cache, so that a later start finds it there.

    Not in the folder of a run: a compiled program is code, and folders of runs are passed around.
    Programs are kept apart by kind of processor, since XLA does not tell those of two kinds apart.
    Does nothing where JAX was given a folder of its own (`JAX_COMPILATION_CACHE_DIR`), where
    `JAX_ENABLE_COMPILATION_CACHE=false` turns it off, or where the cache cannot be written to.
    """
    if _COMPILED in os.environ:
        return
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "bert_jax" / "compiled" / _processor()
        folder.mkdir(parents=True, exist_ok=True)
        _trim(folder, MOST_COMPILED_BYTES)
    except (OSError, RuntimeError):  # no home, or one that is read-only
        return
    os.environ[_COMPILED] = str(folder)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")


def seconds_since_start() -> float:
    """Return how long ago the system started this process; 0 where it does not say."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = float(fields[19]) / os.sysconf("SC_CLK_TCK")  # seconds after the machine's start
        return max(0.0, float(Path("/proc/uptime").read_text().split()[0]) - started)
    except (OSError, ValueError, IndexError):
        return 0.0


def _beside_an_accelerator() -> bool:
    return any(any(Path("/dev").glob(name)) for name in _ACCELERATORS)


def _processor() -> str:
    """Name the kind of processor: a hash of what it is and can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = [line for line in lines if line.startswith(("model name", "flags", "Features"))]
    text = "\n".join([platform.machine(), platform.processor(), *sorted(set(told))])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _trim(folder: Path, most: int) -> None:
    """Remove the oldest files of a folder until the rest is within `most` bytes."""
    files = [(path.stat().st_mtime, path.stat().st_size, path) for path in folder.iterdir()]
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= most:
            break
        path.unlink(missing_ok=True)
        total -= size
