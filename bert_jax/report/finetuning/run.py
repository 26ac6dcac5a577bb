"""The folder of a fine-tuning run as plain values; whatever is missing is empty or None."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_jax.report.files import (
    as_count,
    as_dict,
    as_list,
    as_number,
    as_text,
    read_json,
)
from bert_jax.report.finetuning.measures import Measure, measure
from bert_jax.report.run import Run, Series, read_run

_SEED = re.compile(r"seed_\d{1,9}")
_LOSSES = ("loss", "task_loss")


@dataclass(frozen=True)
class Score:
    """What score.json says; names of metrics on further splits begin with the split's."""

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]  # 95%
    examples: dict[str, int]  # by split


@dataclass(frozen=True)
class FinetuningRun:
    """All that the report knows of a fine-tuning run but for its predictions."""

    run: Run
    task: str
    architecture: dict[str, Any]
    total_steps: int | None
    score: Score | None  # None as long as the run goes on
    predictions: dict[str, Path]  # by split, validation first
    problems: tuple[str, ...]

    @property
    def metrics(self) -> list[str]:
        """The metrics of the split that the best model is chosen by."""
        if self.score:
            return [name for name in self.score.metrics if "/" not in name]
        names = (name for split, name in self.run.metrics if split == "validation")
        return [name for name in names if name not in _LOSSES]

    @property
    def primary(self) -> str:
        """The metric that the best model is chosen by; "" where it is not known yet."""
        known = [name for name in self.score.intervals if "/" not in name] if self.score else []
        candidates = known or self.metrics
        if self.of_answers and "f1" in candidates:
            return "f1"
        return candidates[0] if candidates else ""

    @property
    def of_answers(self) -> bool:
        """Whether it answers questions, so that scores go up to 100."""
        return "exact_match" in self.metrics

    @property
    def history(self) -> Series:
        """The primary metric, held out, by step."""
        return self.run.series("validation", self.primary)

    @property
    def best_step(self) -> int | None:
        """The step of the model that is kept: the first of the best."""
        series = self.history
        return series.steps[series.values.index(max(series.values))] if series else None

    def measure(self, name: str) -> Measure:
        """Describe a metric of this run."""
        return measure(name, self.of_answers)


def is_finetuning(folder: Path) -> bool:
    """Tell whether a folder holds a fine-tuning run, or several seeds of one."""
    files = ("config.json", "run.json", "score.json")
    return bool(seeds_of(folder)) or any(
        as_text(as_dict(read_json(folder / name, [])).get("task")) for name in files
    )


def seeds_of(folder: Path) -> list[Path]:
    """Return the folders of the seeds in a folder of several, by number."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _SEED.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("seed_")))


def read_finetuning_run(folder: Path) -> FinetuningRun:
    """Read what a fine-tuning run has left in its folder so far.

    Raises:
        DataError: there is no such folder, or no run was ever started in it.
    """
    run = read_run(folder)
    problems = list(run.problems)
    info = as_dict(read_json(folder / "run.json", []))
    model = as_dict(read_json(folder / "model.json", problems))
    score = as_dict(read_json(folder / "score.json", problems))
    task = info.get("task") or score.get("task") or run.config.get("task")
    return FinetuningRun(
        run=run,
        task=as_text(task),
        architecture=as_dict(model.get("config")),
        total_steps=as_count(info.get("steps")),
        score=read_score(score) if score else None,
        predictions=predictions_of(folder),
        problems=tuple(problems),
    )


def read_score(values: dict[str, Any]) -> Score:
    """Read a score.json; what is no number is left out."""
    counts = {name: as_count(count) for name, count in as_dict(values.get("examples")).items()}
    return Score(
        metrics=read_numbers(values.get("metrics")),
        intervals=read_intervals(values.get("intervals_95")),
        examples={name: count for name, count in counts.items() if count is not None},
    )


def read_numbers(values: Any) -> dict[str, float]:
    """Read the finite numbers of a JSON object."""
    found = {name: as_number(value) for name, value in as_dict(values).items()}
    return {name: number for name, number in found.items() if number is not None}


def read_intervals(values: Any) -> dict[str, tuple[float, float]]:
    """Read the pairs of finite numbers of a JSON object."""
    found = {}
    for name, ends in as_dict(values).items():
        numbers = [number for end in as_list(ends) if (number := as_number(end)) is not None]
        if len(numbers) == 2:
            found[name] = (numbers[0], numbers[1])
    return found


def predictions_of(folder: Path) -> dict[str, Path]:
    """Return the files of predictions by split, validation first."""
    paths = folder.glob("predictions_*.jsonl")
    found = {path.stem.removeprefix("predictions_"): path for path in paths}
    order = sorted(found, key=lambda split: (not split.startswith("validation"), split))
    return {split: found[split] for split in order}
