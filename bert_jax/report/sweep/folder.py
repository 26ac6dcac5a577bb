"""The folder of a sweep as plain values."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bert_jax.errors import DataError
from bert_jax.report.files import as_dict, as_list, as_text, read_json
from bert_jax.report.sweep.trial import Trial, read_trial

PLAN = "sweep.json"


@dataclass(frozen=True)
class Sweep:
    """All that the report knows of a sweep; `fields` are those in which its runs differ."""

    name: str
    verb: str  # "pretrain", "finetune"
    task: str  # of fine-tuning
    fields: tuple[str, ...]
    trials: tuple[Trial, ...]
    problems: tuple[str, ...]
    ranges: dict[str, bool] = field(default_factory=dict)  # searched; whether logarithmically

    @property
    def labels(self) -> dict[str, str]:
        """The fields, with short names for people."""
        return short_names(self.fields)

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
    space = {name: as_dict(part) for name, part in as_dict(plan.get("space")).items()}
    return Sweep(
        name=folder.resolve().name,
        verb=as_text(plan.get("verb")),
        task=as_text(as_dict(plan.get("values")).get("task")),
        fields=tuple(fields),
        trials=trials,
        problems=tuple(problems),
        ranges={name: part.get("log") is True for name, part in space.items() if "low" in part},
    )
