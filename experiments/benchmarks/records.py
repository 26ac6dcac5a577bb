"""The record of a measurement: who was how fast, how large, and the table that says so."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.rounds import Ratio, ratios, take_turns
from experiments.benchmarks.turns import Contestant


def start(contestants: Sequence[Contestant], *, at_once: bool) -> None:
    """Start contestants one after another, or all at once: they then compile beside each other."""
    for group in [contestants] if at_once else [[one] for one in contestants]:
        for one in group:
            one.start()
        for one in group:
            one.wait()


def measure(
    contestants: Sequence[Contestant],
    rounds: int,
    seconds: float,
    unit: str = "tokens",
) -> dict[str, Any]:
    """Have started contestants take turns; the fastest of ours is set against all others.

    Args:
        contestants: who takes part; each says of itself how many of the unit a step has.
        rounds, seconds: as of `take_turns`.
        unit: what a step is counted in.
    """
    found = take_turns(contestants, rounds, seconds)
    ended = {one.name: one.end() for one in contestants}
    median = {name: float(np.median(times)) for name, times in found.items()}
    mine = min((name for name in median if name.startswith("ours")), key=median.__getitem__)
    return {
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "about": {one.name: one.began for one in contestants},
        "seconds_per_step": found,
        "unit": unit,
        f"{unit}_per_second": {one.name: one.began[unit] / median[one.name] for one in contestants},
        "first_step_seconds": {one.name: one.first_step_seconds for one in contestants},
        "peak_bytes": {name: said["peak_bytes"] for name, said in ended.items()},
        "model_flops_per_second": {
            one.name: one.began["flops"] / median[one.name]
            for one in contestants
            if "flops" in one.began
        },
        "ratios_of": mine,
        "ratios": {name: vars(ratio) for name, ratio in ratios(found, mine).items()},
    }


def table(record: Mapping[str, Any]) -> str:
    """Lay a record out in Markdown."""
    mine, unit = record["ratios_of"], record["unit"]
    lines = [
        f"| {record['case']['size']}, batch {record['case']['batch_size']} | {unit}/s | "
        f"{mine} is so many times as fast (quartiles) | first step, s | peak, GB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, speed in record[f"{unit}_per_second"].items():
        ratio = record["ratios"].get(name)
        times = "" if ratio is None else str(Ratio(**ratio))
        first, peak = record["first_step_seconds"][name], record["peak_bytes"][name] / 1e9
        lines.append(f"| {name} | {speed:,.0f} | {times} | {first:.1f} | {peak:.2f} |")
    for name, rate in record["model_flops_per_second"].items():
        lines.append(f"\nproducts of the model, {name}: {rate / 1e12:.2f} TFLOP/s")
    return "\n".join(lines) + "\n"


def processor() -> str:
    """Name the processor as Linux does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())
