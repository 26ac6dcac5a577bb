"""What has to be settled before a process does any work."""

import hashlib
import os
import platform
from pathlib import Path

from bert_jax.heap import keep_memory

_COMPILED = "JAX_COMPILATION_CACHE_DIR"
MOST_COMPILED_BYTES = 2 * 2**30


def settle() -> None:
    """Settle all of it; an entry calls this first."""
    keep_compiled_programs()
    keep_memory()


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
