"""The devices of this machine: looked up where they are in the table, tried out where not."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from bert_jax.planning.target import Target
from bert_jax.training.chips import Chip, chip_of

_SIDE = 1024  # of the matrices multiplied
_VECTOR = 2**25  # floats copied: 128 MB, more than caches hold
_CGROUP = Path("/sys/fs/cgroup/memory.max")


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
    """Tell how many bytes of this machine's memory can be had."""
    lines = Path("/proc/meminfo").read_text().splitlines() if os.name == "posix" else []
    words = dict(line.split(":", 1) for line in lines if ":" in line)
    free = int(words["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in words else 0
    try:
        limit = int(_CGROUP.read_text())
    except (OSError, ValueError):  # "max": no limit
        limit = free
    return min(free, limit)


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
    memory = stats["bytes_limit"] if stats else free_memory() / shared
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
