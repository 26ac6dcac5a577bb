"""The devices of this machine: looked up where they are in the table, tried out where not."""

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from bert_jax.planning.target import Target
from bert_jax.training.chips import Chip, chip_of

_SIDE = 1024  # of the matrices multiplied
_VECTOR = 2**25  # floats copied: 128 MB, more than caches hold
_RUN = 100_000_000  # bytes that a run's process takes beyond a plan's, about; base, measured
_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def here(name: str, compute_dtype: str) -> Target:
    """Describe the devices that JAX finds.

    Args:
        name: as asked for.
        compute_dtype: of the products that are tried out.
    """
    devices = jax.devices()
    chip, notes = chip_of(devices[0].device_kind), ()
    if chip is None:
        shared = len(devices) if devices[0].platform == "cpu" else 1
        chip = _tried(devices, compute_dtype, shared)
        notes = (
            f"{chip.source}; {shared} devices share the machine" if shared > 1 else chip.source,
        )
    return Target(name, devices, chip, devices[0].platform, notes=notes)


def free_memory() -> int:
    """Tell how many bytes of this machine's memory can be had.

    Within the limits of the process's control group and those around it (a container's, a Slurm
    job's; version 1 and 2 of Linux), which count what the process holds already. Where the system
    does not tell what is free, all that it has; 0 where it tells neither.
    """
    if not (_PROC / "meminfo").exists():
        names = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
        return math.prod(os.sysconf(name) for name in names) if hasattr(os, "sysconf") else 0
    free = _kibibytes("meminfo", "MemAvailable")
    held = _kibibytes("self/status", "VmRSS")
    return min([free, *(max(0, limit - held) for limit in _limits())])


def _kibibytes(file: str, name: str) -> int:
    """Read a figure from a file of the kernel, in bytes; 0 where it is not told."""
    lines = (_PROC / file).read_text().splitlines()
    words = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(words[name].split()[0]) * 1024 if name in words else 0


def _limits() -> Iterator[int]:
    """Give the limits of the memory of the control groups that this process is in."""
    try:
        lines = (_PROC / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, name = _CGROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = _CGROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = root / path.lstrip("/")  # of the host; in a container only the root is there
        for folder in (own, *own.parents):
            if folder.is_relative_to(root) and (folder / name).is_file():
                text = (folder / name).read_text().strip()
                if text != "max":
                    yield int(text)


def _tried(devices: list[Any], compute_dtype: str, shared: int) -> Chip:
    """Find out what a device does, with its neighbours at work on the same machine."""
    from bert_jax.model.precision import product

    matrix = jnp.ones((8, _SIDE // 8, _SIDE))
    kernel, vector = jnp.ones((_SIDE, _SIDE)), jnp.ones(_VECTOR)
    multiply = jax.jit(lambda x, y: product("btd,df->btf", x, y, compute_dtype))
    flops = 2 * _SIDE**3 / _seconds(lambda: multiply(matrix, kernel))
    add = jax.jit(lambda x: x + 1)
    bandwidth = 2 * vector.nbytes / _seconds(lambda: add(vector))
    stats = devices[0].memory_stats() if devices[0].platform != "cpu" else None
    memory = stats["bytes_limit"] if stats else max(0, free_memory() - _RUN) / shared
    return Chip(
        devices[0].device_kind,
        (),
        flops / shared,
        flops / shared,
        memory,
        1.0,
        bandwidth / shared,
        bandwidth / shared if devices[0].platform == "cpu" else 0.0,
        len(devices),
        0.0,
        f"tried out here in {compute_dtype}: products of {_SIDE} x {_SIDE}, a copy of 128 MB",
    )


def _seconds(work: Callable[[], jax.Array], repeats: int = 5) -> float:
    """Time a computation, the quickest of a few."""
    work().block_until_ready()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work().block_until_ready()
        times.append(time.perf_counter() - start)
    return min(times)
