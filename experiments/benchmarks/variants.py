"""Measure steps of ours beside each other, in turns: the same case under other configs.

    python -m experiments.benchmarks.variants CASE --corpus=CORPUS --work=WORK \\
        --variant="float32" --variant="bfloat16" --variant="float32 train.packed_length=128"

A VARIANT is the dtype of products and then fields of the config. Ratios are of seconds a step;
useful tokens leave padding out.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from experiments.benchmarks.records import measure, start
from experiments.benchmarks.rounds import ratio
from experiments.benchmarks.sizes import CASES
from experiments.benchmarks.turns import Contestant


def main(arguments: argparse.Namespace) -> None:
    """Measure, print the table and write the record."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    found = []
    for number, variant in enumerate(arguments.variant):
        module = [sys.executable, "-m", "experiments.benchmarks.ours_pretraining", arguments.case]
        dtype, *fields = variant.split()
        log = arguments.work / f"variant_{number}.log"
        command = [*module, dtype, str(arguments.corpus), *fields]
        found.append(Contestant(f"ours {variant}", command, log))
    start(found, at_once=False)
    record = measure(found, arguments.rounds, arguments.seconds)
    print(table(record))
    if arguments.record:
        arguments.record.write_text(json.dumps(record, indent=1) + "\n")


def table(record: dict[str, Any]) -> str:
    """Lay out, in Markdown, each variant against the first."""
    seconds, about = record["seconds_per_step"], record["about"]
    first = next(iter(seconds))
    lines = [
        "| variant | tokens/s | useful tokens/s | step, of the first (quartiles) "
        "| useful tokens/s, of the first (quartiles) | first step, s | peak, GB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in seconds:
        useful = about[name]["useful_tokens"]
        share = useful / about[first]["useful_tokens"]
        speed = record["tokens_per_second"][name]
        step = ratio(seconds[first], seconds[name])
        work = ratio(seconds[name], [share * x for x in seconds[first]])
        lines.append(
            f"| {name} | {speed:,.0f} | {speed * useful / about[name]['tokens']:,.0f} | {step} "
            f"| {work} | {record['first_step_seconds'][name]:.1f} "
            f"| {record['peak_bytes'][name] / 1e9:.2f} |"
        )
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--corpus", required=True, type=Path, help="a prepared folder")
    parser.add_argument("--work", required=True, type=Path, help="for logs")
    parser.add_argument("--variant", action="append", required=True, help="dtype and fields")
    parser.add_argument("--record", type=Path, help="where to write all that was measured")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long a turn is")
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())
