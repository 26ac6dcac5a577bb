"""Predictions as numbers a row, from which any selection of rows can be scored."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.report.files import as_dict, as_list, as_number, as_text, each_line
from bert_jax.report.finetuning.answers import rule_of
from bert_jax.report.finetuning.predictions import kind_of
from bert_jax.tasks.metrics import CLASS_METRICS, VALUE_METRICS
from bert_jax.tasks.schemes import find_entities
from bert_jax.tasks.squad_metric import RULES

Score = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Graded:
    """A split as a run answered it.

    Attributes:
        rows: for each row a digest of what it is: its texts and what is right, not where it stood.
        scores: by metric, from indices of rows, which may repeat, to the score.
    """

    rows: tuple[bytes, ...]
    scores: dict[str, Score]


def read_graded(path: Path, task: str, problems: list[str]) -> Graded | None:
    """Read a predictions file; None where no line of it has a known label."""
    rows, known, kind = [], [], ""
    for line in each_line(path, problems):
        kind = kind or kind_of(line)
        entry = _KINDS[kind].entry(line, task)
        if entry is not None:
            rows.append(_digest(line, _KINDS[kind].row))
            known.append(entry)
    return Graded(tuple(rows), _KINDS[kind].scores(known)) if rows else None


def _digest(line: dict[str, Any], names: Iterable[str]) -> bytes:
    what = json.dumps([line.get(name) for name in names], ensure_ascii=False)
    return hashlib.sha256(what.encode(errors="surrogatepass")).digest()[:16]


def _class_entry(line: dict[str, Any], task: str) -> tuple[str, str, list[str]] | None:
    if line.get("label") is None or line.get("prediction") is None:
        return None
    return (
        as_text(line["label"]),
        as_text(line["prediction"]),
        list(as_dict(line.get("probabilities"))),
    )


def _class_scores(entries: list[Any]) -> dict[str, Score]:
    """Count each (label, prediction); classes stand in the order of the model's."""
    places: dict[str, int] = {}
    for label, said, of_model in entries:
        for name in (*of_model, label, said):
            places.setdefault(name, len(places))
    size = max(2, len(places))
    cells = np.array([places[label] * size + places[said] for label, said, _ in entries])

    def scorer(metric: Callable[[np.ndarray], np.ndarray]) -> Score:
        def score(rows: np.ndarray) -> float:
            counts = np.bincount(cells[rows], minlength=size * size)
            return float(metric(counts.reshape(size, size)))

        return score

    return {name: scorer(metric) for name, metric in CLASS_METRICS.items()}


def _value_entry(line: dict[str, Any], task: str) -> tuple[float, float] | None:
    label, said = as_number(line.get("label")), as_number(line.get("prediction"))
    return None if label is None or said is None else (label, said)


def _value_scores(entries: list[Any]) -> dict[str, Score]:
    labels, said = np.array(entries, np.float64).T

    def scorer(metric: Callable[[np.ndarray, np.ndarray], float]) -> Score:
        return lambda rows: metric(said[rows], labels[rows])

    return {name: scorer(metric) for name, metric in VALUE_METRICS.items()}


def _answer_entry(line: dict[str, Any], task: str) -> tuple[float, float] | None:
    rule, said = rule_of(task), line.get("prediction")
    accepted = [as_text(answer) for answer in as_list(line.get("answers"))]
    if not isinstance(said, str) or not (accepted or rule == "squad2"):
        return None
    return RULES[rule](accepted, said)


def _answer_scores(entries: list[Any]) -> dict[str, Score]:
    exact, f1 = 100 * np.array(entries, np.float64).T
    return {
        "exact_match": lambda rows: float(exact[rows].mean()),
        "f1": lambda rows: float(f1[rows].mean()),
    }


def _tag_entry(line: dict[str, Any], task: str) -> tuple[int, ...] | None:
    """Count a sentence's entities found, said and there, and its words right and all."""
    tags = [as_text(tag) for tag in as_list(line.get("tags"))]
    said = [as_text(tag) for tag in as_list(line.get("prediction"))]
    if not tags or len(tags) != len(said):
        return None
    there, found = set(find_entities(tags)), set(find_entities(said))
    right = sum(a == b for a, b in zip(tags, said, strict=True))
    return len(there & found), len(found), len(there), right, len(tags)


def _tag_scores(entries: list[Any]) -> dict[str, Score]:
    counts = np.array(entries, np.float64)

    def ratio(over: np.ndarray, under: np.ndarray) -> Score:
        def score(rows: np.ndarray) -> float:
            total = counts[rows].sum(0)
            return float(total @ over / max(total @ under, 1))

        return score

    found, said, there, right, words = np.eye(5)
    return {
        "f1": ratio(2 * found, said + there),
        "precision": ratio(found, said),
        "recall": ratio(found, there),
        "accuracy": ratio(right, words),
    }


@dataclass(frozen=True)
class _Kind:
    """How the lines of a kind of task are taken.

    Attributes:
        row: the fields that say which row it is, and what is right.
        entry: from a line and the task's name to what is kept; None where nothing is known of it.
        scores: from what was kept to scores.
    """

    row: tuple[str, ...]
    entry: Callable[[dict[str, Any], str], Any]
    scores: Callable[[list[Any]], dict[str, Score]]


_KINDS = {
    "classes": _Kind(("text", "text_pair", "label"), _class_entry, _class_scores),
    "values": _Kind(("text", "text_pair", "label"), _value_entry, _value_scores),
    "answers": _Kind(("id", "question", "answers"), _answer_entry, _answer_scores),
    "tags": _Kind(("words", "tags"), _tag_entry, _tag_scores),
}
