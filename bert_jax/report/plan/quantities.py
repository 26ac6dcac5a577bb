"""The quantities of a plan as people read them."""

from collections.abc import Sequence
from typing import Any

from bert_jax.report.numbers import decimal, duration, short


def size(value: float | None) -> str:
    """15_750_000_000 -> "15.75 GB"."""
    if value is None:
        return "not told"
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= unit:
            return f"{value / unit:.2f} {name}"
    return f"{value:.0f} B"


def operations(value: float) -> str:
    """3.2e12 -> "3.2 TFLOP"."""
    return f"{short(value)}FLOP".replace("\N{NO-BREAK SPACE}", " ")


def amount(value: float) -> str:
    """2_663_595 -> "2.66 M"."""
    return short(value).replace("\N{NO-BREAK SPACE}", " ").strip()


def rate(value: float, unit: str) -> str:
    """197e12 -> "197 T" before the unit."""
    return f"{short(value)}{unit}".replace("\N{NO-BREAK SPACE}", " ")


def seconds(value: float) -> str:
    """0.0123 -> "12.3 ms", 5400 -> "1 h 30 min"."""
    if value >= 60:
        return duration(value)
    if value >= 1:
        return f"{decimal(value)} s"
    return f"{decimal(1e3 * value)} ms" if value >= 1e-3 else f"{decimal(1e6 * value)} µs"


def between(bounds: Sequence[float], write: Any) -> str:
    """[1, 2] -> "1 to 2", each written by a function; equal ones once."""
    low, high = (write(bound) for bound in bounds)
    return low if low == high else f"{low} to {high}"


def mesh_of(mesh: dict[str, int]) -> str:
    """{"data": 8, "fsdp": 1} -> "data=8"; a single device is "one device"."""
    words = [f"{axis}={devices}" for axis, devices in mesh.items() if devices > 1]
    return " ".join(words) or "one device"
