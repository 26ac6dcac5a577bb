"""The folder of a sweep as plain values."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bert_jax.errors import DataError
from bert_jax.report.files import as_dict, as_list, as_number, as_text, read_json
from bert_jax.report.sweep.trial import Trial, read_trial

PLAN = "sweep.json"


@dataclass(frozen=True)
class SearchedRange:
    """Numbers that a field of a search was chosen from, both ends among them."""

    low: float
    high: float
    log: bool  # whether equal ratios count the same, not equal differences


@dataclass(frozen=True)
class Sweep:
    """All that the report knows of a sweep; `fields` are those that it sets."""

    name: str
    verb: str  # "pretrain", "finetune"
    task: str  # of fine-tuning
    fields: tuple[str, ...]
    trials: tuple[Trial, ...]
    problems: tuple[str, ...]
    ranges: dict[str, SearchedRange] = field(default_factory=dict)  # of fields that have one

    @property
    def labels(self) -> dict[str, str]:
        """The fields, with short names for people."""
        return short_names(self.fields)

    @property
    def varied(self) -> list[str]:
        """The fields in which runs differ; all where none do, as where there is one run."""
        values = {
            name: {json.dumps(trial.overrides.get(name)) for trial in self.trials}
            for name in self.fields
        }
        return [name for name in self.fields if len(values[name]) > 1] or list(self.fields)

    def count(self, state: str) -> int:
        """Count the runs in a state."""
        return sum(trial.state == state for trial in self.trials)


def short_names(fields: Iterable[str]) -> dict[str, str]:
    """Shorten names of fields to their last word where that tells them apart."""
    ends = {field: field.rpartition(".")[2] for field in fields}
    words = list(ends.values())
    return {field: end if words.count(end) == 1 else field for field, end in ends.items()}


def is_sweep(folder: Path) -> bool:
    """Tell whether a folder holds a sweep."""
    return (folder / PLAN).is_file()


def read_sweep(folder: Path) -> Sweep:
    """Read what a sweep has left in its folder so far.

    Raises:
        DataError: no sweep was ever started in it.
    """
    if not is_sweep(folder):
        raise DataError(f"{folder}: not a sweep: it has no {PLAN}")
    problems: list[str] = []
    plan = as_dict(read_json(folder / PLAN, problems))
    runs = {name: as_dict(run) for name, run in as_dict(plan.get("runs")).items()}
    trials = tuple(read_trial(folder / name, run) for name, run in runs.items())
    fields = [name for name in as_list(plan.get("fields")) if isinstance(name, str)]
    space = as_dict(plan.get("space"))
    return Sweep(
        name=folder.resolve().name,
        verb=as_text(plan.get("verb")),
        task=as_text(as_dict(plan.get("values")).get("task")),
        fields=tuple(fields),
        trials=trials,
        problems=tuple(problems),
        ranges={name: part for name, text in space.items() if (part := _range(text))},
    )


def _range(found: Any) -> SearchedRange | None:
    """Read what a field was chosen from; None of words, and of what cannot be."""
    low, high = (as_number(as_dict(found).get(end)) for end in ("low", "high"))
    if low is None or high is None or low >= high:
        return None
    return SearchedRange(low, high, as_dict(found).get("log") is True and low > 0)
