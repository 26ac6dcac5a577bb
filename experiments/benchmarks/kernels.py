"""Measure where the time of a step on an accelerator goes, kernel by kernel, from a trace.

    python -m experiments.benchmarks.kernels CASE [FIELD=VALUE ...] --corpus=CORPUS [--steps=5]

Runs the step of this project over its ordinary input path and traces it. Prints the time of a step,
the share of it in which the device had something to do, the model's products a second, and the
operations of the compiled program that took the longest.
"""

import argparse
import re
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from bert_jax.process import settle

_PRODUCT = re.compile(r"gemm|cublas|nvjet|cutlass|xmma|cudnn|splitK", re.IGNORECASE)


class Spent(NamedTuple):
    """What an operation of the program took in all steps that were traced."""

    operation: str
    kernel: str
    count: int
    nanoseconds: float


def main(arguments: argparse.Namespace) -> None:
    """Trace some steps and print the table."""
    import jax

    from experiments.benchmarks.assembled import Stepping, pretraining_of

    begun = time.perf_counter()
    steps = Stepping(pretraining_of(arguments.case, arguments.corpus, arguments.fields))

    def take(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            steps.take(next(steps.batches))
        jax.block_until_ready(steps.state)
        return time.perf_counter() - start

    take(1)
    first = time.perf_counter() - begun
    take(3)
    seconds = take(arguments.steps) / arguments.steps
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            take(arguments.steps)
        (file,) = Path(folder).rglob("*.xplane.pb")
        spent = kernels_in(jax.profiler.ProfileData.from_file(str(file)))
    peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
    stage = steps.stage
    busy = sum(one.nanoseconds for one in spent) / arguments.steps / 1e9
    products = sum(one.nanoseconds for one in spent if _PRODUCT.search(one.kernel))
    products /= arguments.steps * 1e6
    print(
        f"{arguments.case} {' '.join(arguments.fields)}: first step {first:.1f} s, then "
        f"{1e3 * seconds:.2f} ms each, {stage.tokens / seconds:,.0f} tokens/s, "
        f"{stage.flops / seconds / 1e12:.1f} TFLOP/s of the model, peak {peak / 1e9:.2f} GB\n"
        f"kernels {1e3 * busy:.2f} ms a step, of them products {products:.2f}"
    )
    for one in spent[: arguments.top]:
        each = one.nanoseconds / arguments.steps / 1e3
        print(f"{each:9.1f} us {one.count / arguments.steps:5.1f} x  {one.operation}  {one.kernel}")


def kernels_in(trace: Any) -> list[Spent]:
    """Add up the kernels in a trace by the operation that they belong to, the longest first."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for plane in trace.planes:
        if not plane.name.startswith("/device:"):
            continue
        for line in plane.lines:
            if line.name.startswith("Stream"):
                for event in line.events:
                    told = dict(event.stats)
                    operation = re.sub(r"\.\d+", "", str(told.get("hlo_op", "")))
                    found[operation, event.name[:90]].append(event.duration_ns)
    spent = [Spent(*names, len(times), sum(times)) for names, times in found.items()]
    return sorted(spent, key=lambda one: -one.nanoseconds)


def parse() -> argparse.Namespace:
    """Read the flags."""
    from experiments.benchmarks.sizes import CASES

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("fields", nargs="*", help="name=value of the config")
    parser.add_argument("--corpus", required=True, type=Path, help="a prepared folder")
    parser.add_argument("--steps", type=int, default=5, help="that are traced")
    parser.add_argument("--top", type=int, default=40, help="operations that are told")
    return parser.parse_args()


if __name__ == "__main__":
    settle()
    main(parse())
