"""The predictions of a split, read line by line: they may be a million."""

from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from bert_jax.report.files import each_line
from bert_jax.report.finetuning.answers import Answers
from bert_jax.report.finetuning.classes import Classes
from bert_jax.report.finetuning.measures import Baseline
from bert_jax.report.finetuning.tags import Tags
from bert_jax.report.finetuning.values import Values
from bert_jax.report.markup import Content


class Predictions(Protocol):
    """What is kept of a split's predictions; its size does not grow with them."""

    scored: int  # examples whose label is known

    def add(self, line: dict[str, Any]) -> None:
        """Take a line of the file in."""
        ...

    def baseline(self, metric: str) -> Baseline | None:
        """Score a guess that needs no model; None where there is none."""
        ...

    def parts(self, key: str) -> list[tuple[str, Content]]:
        """Return the parts of the page, each with its title; `key` is the split's own."""
        ...


def read_predictions(path: Path, task: str, problems: list[str]) -> Predictions | None:
    """Read a predictions file; None where no line of it has a known label."""
    lines = each_line(path, problems)
    first = next(lines, None)
    if first is None:
        return None
    predictions = _start(kind_of(first), task)
    for line in chain([first], lines):
        predictions.add(line)
    return predictions if predictions.scored else None


def kind_of(line: dict[str, Any]) -> str:
    """Tell of what kind of task a line is: "tags", "answers", "classes" or "values"."""
    if "words" in line:
        return "tags"
    if "question" in line:
        return "answers"
    return "classes" if "probabilities" in line else "values"


def _start(kind: str, task: str) -> Predictions:
    if kind == "answers":
        return Answers(task)
    return {"tags": Tags, "classes": Classes, "values": Values}[kind]()
