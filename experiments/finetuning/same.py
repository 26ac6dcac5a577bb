"""Whether both sides train on the same: rows, token ids, targets, steps and learning rates."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.runs.finetuning import assemble
from bert_jax.tasks.examples import Features
from experiments.finetuning import ours

RATE_BOUND = 1e-6  # of the peak: ours are float32


def compare_inputs(values: Mapping[str, Any], theirs: Path) -> dict[str, Any]:
    """Count what differs between the run that a config makes and what the other side wrote."""
    finetuning = assemble(ours.build(values))
    found: dict[str, Any] = {}
    for split, rows in json.loads((theirs / "rows.json").read_text()).items():
        mine = list(_our_rows(finetuning.task.features[split]))
        pairs = zip(mine, map(_their_row, rows), strict=False)
        found[split] = {
            "rows": [len(mine), len(rows)],
            "rows_that_differ": sum(a != b for a, b in pairs),
        }
    rates = json.loads((theirs / "run.json").read_text())["learning_rates"]
    peak = values["optimizer"]["learning_rate"]
    apart = [
        abs(float(np.asarray(finetuning.rate(step))) - rate) for step, rate in enumerate(rates)
    ]
    found["steps"] = [finetuning.steps, len(rates)]
    found["rate_difference"] = max(apart) / peak  # the largest, as a share of the peak
    return found


def is_same(found: Mapping[str, Any]) -> bool:
    """Tell whether nothing differs."""
    splits = found["train"], found["validation"]
    counts = [found["steps"], *(split["rows"] for split in splits)]
    return (
        all(mine == other for mine, other in counts)
        and not any(split["rows_that_differ"] for split in splits)
        and found["rate_difference"] <= RATE_BOUND
    )


def _our_rows(features: Features) -> Iterator[tuple]:
    """Yield token ids, segments and, where it is known, what the row is to give."""
    columns: list[Any] = [features.input_ids, features.token_type_ids]
    for name in ("label", "tags", "span"):
        values = features.targets.get(name)
        if values is not None:
            columns.append(values if isinstance(values, list) else values.tolist())
    return zip(*columns, strict=True)


def _their_row(row: Mapping[str, Any]) -> tuple:
    target = []
    if "labels" in row:
        target = [row["labels"]]
    elif "start_positions" in row:
        target = [[row["start_positions"], row["end_positions"]]]
    return (row["input_ids"], row["token_type_ids"], *target)
