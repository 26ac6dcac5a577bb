"""Ours beside `transformers` and torch: who takes part, and what comes of it."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bert_jax.heap import ALLOCATOR
from experiments.benchmarks.figure import draw
from experiments.benchmarks.records import measure, start, table
from experiments.benchmarks.sizes import Case
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


@dataclass(frozen=True)
class Comparison:
    """What is measured, the name of its record, and who takes part."""

    name: str
    case: Case
    contestants: Sequence[Contestant]


def enter(
    name: str,
    case: Case,
    modules: tuple[str, str],
    given: tuple[Sequence[str], Sequence[str]],
    arguments: argparse.Namespace,
) -> Comparison:
    """Gather who takes part.

    Args:
        name: of the record.
        case: what is measured.
        modules: of ours, called with a dtype after its first argument, and of theirs, called with
            words after all.
        given: arguments of both.
        arguments: the flags.
    """
    settings = SETTINGS if arguments.same_allocator else {}
    name += "_same_allocator" if arguments.same_allocator else ""
    of_ours, of_theirs = modules
    found = []
    for dtype in OURS:
        label, (first, *rest) = f"ours {dtype}", given[0]
        command = [sys.executable, "-m", of_ours, first, dtype, *rest]
        if label in arguments.among:
            found.append(Contestant(label, command, log_of(name, label, arguments)))
    for words in THEIRS:
        label = label_of(words)
        command = [arguments.theirs, "-m", of_theirs, *given[1], *words]
        if label in arguments.among:
            found.append(Contestant(label, command, log_of(name, label, arguments), **settings))
    return Comparison(name, case, found)


def compare(comparisons: Iterable[Comparison], unit: str, arguments: argparse.Namespace) -> None:
    """Have everyone take turns, write a JSON and a figure a comparison, print the ratios.

    Args:
        comparisons: one after the other.
        unit: what a step is counted in, "tokens" or "rows".
        arguments: the flags.
    """
    if arguments.start_at_once:
        comparisons = list(comparisons)
        start([one for each in comparisons for one in each.contestants], at_once=True)
    for each in comparisons:
        if not arguments.start_at_once:
            start(each.contestants, at_once=False)
        record = measure(each.contestants, arguments.rounds, arguments.seconds, unit)
        record |= {"case": asdict(each.case), "same_allocator": arguments.same_allocator}
        path = arguments.results / f"{each.name}.json"
        path.write_text(json.dumps(record, indent=1) + "\n")
        draw(record, path.with_suffix(".png"))
        print(table(record), flush=True)


def label_of(words: Sequence[str]) -> str:
    """Name a contestant of theirs."""
    return " ".join(("torch" if "tuned" in words else "transformers", *words))


def log_of(name: str, label: str, arguments: argparse.Namespace) -> Path:
    """Say where a contestant's messages go."""
    return arguments.work / f"{name}_{label.replace(' ', '_')}.log"


def parser(description: str, cases: Sequence[str]) -> argparse.ArgumentParser:
    """Make a parser of the flags that all comparisons have."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("cases", nargs="+", choices=cases)
    made.add_argument("--theirs", required=True, help="a Python with torch and transformers")
    made.add_argument("--work", required=True, type=Path, help="for batches and logs")
    made.add_argument("--results", required=True, type=Path, help="for the records")
    everyone = [*(f"ours {dtype}" for dtype in OURS), *map(label_of, THEIRS)]
    made.add_argument(
        "--among",
        type=lambda names: names.split(","),
        default=everyone,
        help=f"who takes part, as their memory allows: of {','.join(everyone)}",
    )
    made.add_argument("--rounds", type=int, default=9, help="turns of each")
    made.add_argument("--seconds", type=float, default=5.0, help="how long a turn is")
    made.add_argument(
        "--same_allocator", action="store_true", help="give their allocator our setting, too"
    )
    made.add_argument(
        "--start_at_once", action="store_true", help="compile all cases beside each other"
    )
    return made


def parse(made: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the flags, and make the folders they name."""
    arguments = made.parse_args()
    for folder in (arguments.results, arguments.work):
        folder.mkdir(parents=True, exist_ok=True)
    return arguments
