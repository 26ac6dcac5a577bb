"""Measure pretraining steps, ours beside `transformers` and torch, in turns.

    python -m experiments.benchmarks.steps CASE [CASE ...] --theirs=PYTHON --corpus=CORPUS \\
        --work=WORK --results=experiments/benchmarks/results

CASEs are those of `sizes.CASES`. PYTHON is the interpreter of an environment with torch and
transformers. CORPUS is a prepared folder. All contestants of a case are started, then take turns,
so that what else the machine does falls on all. Writes a JSON and a figure a case, and prints the
ratios.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bert_jax.process import ALLOCATOR
from experiments.benchmarks.assembled import write_batches
from experiments.benchmarks.figure import draw
from experiments.benchmarks.records import measure, table
from experiments.benchmarks.sizes import CASES
from experiments.benchmarks.turns import Contestant

OURS = ("float32", "bfloat16")
THEIRS = (
    (),
    ("bfloat16",),
    ("tuned",),
    ("tuned", "compiled"),
    ("tuned", "bfloat16"),
    ("tuned", "bfloat16", "compiled"),
)
SETTINGS = {"GLIBC_TUNABLES": ALLOCATOR}  # what our entries set for themselves


def main(arguments: argparse.Namespace) -> None:
    """Measure all cases asked for."""
    arguments.results.mkdir(parents=True, exist_ok=True)
    arguments.work.mkdir(parents=True, exist_ok=True)
    for name in arguments.cases:
        contestants = start(name, arguments)
        record = measure(contestants, arguments.rounds, arguments.seconds)
        record |= {"case": asdict(CASES[name]), "same_allocator": arguments.same_allocator}
        path = (
            arguments.results
            / f"{name}{'_same_allocator' if arguments.same_allocator else ''}.json"
        )
        path.write_text(json.dumps(record, indent=1) + "\n")
        draw(record, path.with_suffix(".png"))
        print(table(record), flush=True)


def start(name: str, arguments: argparse.Namespace) -> list[Contestant]:
    """Start everyone, one after the other."""
    batches = arguments.work / f"{name}.npz"
    write_batches(batches, name, arguments.corpus)
    package = "experiments.benchmarks"
    environment = SETTINGS if arguments.same_allocator else {}
    found = []
    for dtype in OURS:
        command = [sys.executable, "-m", f"{package}.ours", name, dtype, str(arguments.corpus)]
        log = arguments.work / f"{name}_ours_{dtype}.log"
        if f"ours {dtype}" in arguments.among:
            found.append(Contestant(f"ours {dtype}", command, log))
    for words in THEIRS:
        command = [arguments.theirs, "-m", f"{package}.huggingface", name, str(batches), *words]
        log = arguments.work / f"{name}_{'_'.join(('theirs', *words))}.log"
        if label_of(words) in arguments.among:
            found.append(Contestant(label_of(words), command, log, **environment))
    return found


def label_of(words: Sequence[str]) -> str:
    """Name a contestant of theirs."""
    return " ".join(("torch" if "tuned" in words else "transformers", *words))


def parse() -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="+", choices=CASES)
    parser.add_argument("--theirs", required=True, help="a Python with torch and transformers")
    parser.add_argument("--corpus", required=True, type=Path, help="a prepared folder")
    parser.add_argument("--work", required=True, type=Path, help="for batches and logs")
    parser.add_argument("--results", required=True, type=Path, help="for the records")
    everyone = [*(f"ours {dtype}" for dtype in OURS), *map(label_of, THEIRS)]
    parser.add_argument(
        "--among",
        type=lambda names: names.split(","),
        default=everyone,
        help=f"who takes part, as their memory allows: of {','.join(everyone)}",
    )
    parser.add_argument("--rounds", type=int, default=9, help="turns of each")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long a turn is")
    parser.add_argument(
        "--same_allocator", action="store_true", help="give their allocator our setting, too"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())
