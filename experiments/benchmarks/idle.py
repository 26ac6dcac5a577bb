"""Measure how long steps wait for their rows, from a profiler's trace.

    python -m experiments.benchmarks.idle CASE [FIELD=VALUE ...] --corpus=CORPUS [--steps=30]

Runs the step of this project over its ordinary input path, as `ours_pretraining.py` does, and
traces it. A step waits where the loop asks for the next batch and it is not there; the device has
nothing to do then, since a run looks at each step's norms before it asks. Prints that share
of the time.
"""

import argparse
import tempfile
from pathlib import Path

from bert_jax.process import settle

INPUT, STEP = "wait for rows", "step"


def main(arguments: argparse.Namespace) -> None:
    """Trace some steps and print what of them was waiting."""
    import jax

    from experiments.benchmarks.assembled import Stepping, pretraining_of

    steps = Stepping(pretraining_of(arguments.case, arguments.corpus, arguments.fields))

    def take(count: int) -> None:
        for _ in range(count):
            with jax.profiler.TraceAnnotation(INPUT):
                batch = next(steps.batches)
            with jax.profiler.TraceAnnotation(STEP):
                steps.take(batch)

    take(3)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            take(arguments.steps)
        (file,) = Path(folder).rglob("*.xplane.pb")
        spent = seconds_in(jax.profiler.ProfileData.from_file(str(file)))
    share = spent[INPUT] / (spent[INPUT] + spent[STEP])
    print(
        f"{arguments.case}: {arguments.steps} steps, {spent[STEP] / arguments.steps:.4f} s each; "
        f"waiting for rows {spent[INPUT]:.4f} s in all, {share:.3%} of the time"
    )


def seconds_in(trace) -> dict[str, float]:
    """Add up the two kinds of annotation in a trace."""
    spent = {INPUT: 0.0, STEP: 0.0}
    for plane in trace.planes:
        for line in plane.lines:
            for event in line.events:
                if event.name in spent:
                    spent[event.name] += event.duration_ns / 1e9
    return spent


def parse() -> argparse.Namespace:
    """Read the flags."""
    from experiments.benchmarks.sizes import CASES

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("fields", nargs="*", help="name=value of the config")
    parser.add_argument("--corpus", required=True, type=Path, help="a prepared folder")
    parser.add_argument("--steps", type=int, default=30, help="that are traced")
    return parser.parse_args()


if __name__ == "__main__":
    settle()
    main(parse())
