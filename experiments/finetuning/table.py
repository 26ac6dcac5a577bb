"""Print the tables of the README from the records.

python -m experiments.finetuning.table experiments/finetuning/results
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.finetuning.comparisons import COMPARISONS
from experiments.finetuning.judgement import Estimate, difference, estimate, judge

SCORES = ("task", "rows", "epochs", "seeds", "metric", "ours", "transformers", "ours less theirs")
SECONDS = ("task", "ours", "transformers", "ours, steps alone", "transformers, steps alone")
PRETRAINED = ("record", "task", "rows", "epochs", "rate", "metric", "pretrained", "random", "gain")


def main(results: Path) -> None:
    """Print a table for each kind of record there is."""
    records = {name: read(results / f"{name}.json") for name in COMPARISONS}
    found = {name: record for name, record in records.items() if record}
    rows = [row for name, record in found.items() for row in score_rows(name, record)]
    print(table((*SCORES, "apart by"), rows))
    rows = [row for name, record in found.items() for row in second_rows(name, record)]
    print(table(SECONDS, rows))
    paths = sorted(results.glob("pretrained*.json"))
    if rows := [row for path in paths for row in pretrained_rows(path.stem, read(path))]:
        print(table(PRETRAINED, rows))
    if record := read(results / "frozen.json"):
        columns = ("what moves", "seconds an epoch", "arrays unmoved", "score")
        print(table(columns, frozen_rows(record)))


def read(path: Path) -> dict[str, Any]:
    """Read a record; nothing where there is none."""
    return json.loads(path.read_text()) if path.exists() else {}


def table(columns: tuple[str, ...], rows: list[tuple]) -> str:
    """Lay rows out in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def score_rows(name: str, record: dict[str, Any]) -> Iterator[tuple]:
    """Give a row for each of our sides and each metric."""
    comparison, sides = record["comparison"], record["sides"]
    same = "" if record["is_same"] else " (not the same rows)"
    for side in comparison["ours"]:
        for metric in comparison["metrics"]:
            mine, other = of_seeds(sides[side], metric), of_seeds(sides["theirs"], metric)
            apart = difference(mine, other)
            yield (
                name + side.removeprefix("ours").replace("_", ", ") + same,
                f"{record['rows']['train']:,} / {record['rows']['validation']:,}",
                comparison["epochs"],
                comparison["seeds"],
                metric,
                mine,
                other,
                apart,
                judge(apart),
            )


def second_rows(name: str, record: dict[str, Any]) -> Iterator[tuple]:
    """Give a row for each of our sides: seconds of the whole process, and of its steps."""
    theirs = record["sides"]["theirs"]
    for side in record["comparison"]["ours"]:
        mine = record["sides"][side]
        yield (
            name + side.removeprefix("ours").replace("_", ", "),
            *(f"{one['wall_seconds']:,.0f}" for one in (mine, theirs)),
            *(f"{sum(one['training_seconds'].values()):,.0f}" for one in (mine, theirs)),
        )


def of_seeds(side: dict[str, Any], metric: str) -> Estimate:
    """Take a metric's mean over a side's seeds."""
    return estimate([metrics[metric] for metrics in side["metrics"].values()])


def pretrained_rows(name: str, record: dict[str, Any]) -> Iterator[tuple]:
    """Give a row a task and metric."""
    for task, found in record["tasks"].items():
        comparison = found["comparison"]
        for metric in comparison["metrics"]:
            ours, random = (of_seeds(found[side], metric) for side in ("pretrained", "random"))
            gain = difference(ours, random)
            yield (
                name.removeprefix("pretrained").strip("_"),
                task,
                f"{found['rows']['train']:,}",
                comparison["epochs"],
                f"{comparison['learning_rate']:g}",
                metric,
                ours,
                random,
                f"{gain}: {judge(gain)}",
            )


def frozen_rows(record: dict[str, Any]) -> list[tuple]:
    """Give a row for each of what moves."""
    metric = record["comparison"]["metrics"][0]
    return [
        (
            what,
            f"{side['seconds_an_epoch']:.1f}",
            f"{side['bit_identical']} of {side['encoder_arrays']}",
            f"{metric} {of_seeds(side, metric)}",
        )
        for what, side in record["sides"].items()
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
