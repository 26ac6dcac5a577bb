"""One scorer for both sides: written predictions beside the rows they are of."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.tasks.entities import score_entities
from bert_jax.tasks.metrics import score
from bert_jax.tasks.squad_metric import score_answers
from experiments.finetuning.comparisons import Comparison
from experiments.finetuning.sources import Subset

PREDICTIONS = "predictions_validation.jsonl"  # an object a row, in the order of the rows


def score_predictions(comparison: Comparison, subset: Subset, folder: Path) -> dict[str, float]:
    """Score a folder's predictions; in percent."""
    text = (folder / PREDICTIONS).read_text(encoding="utf-8")
    said = [json.loads(line) for line in text.split("\n") if line]
    if len(said) != len(subset.validation):
        raise ValueError(f"{folder}: {len(said)} predictions of {len(subset.validation)} rows")
    by_task = {"own": _classes, "tags": _entities, "squad1": _answers}
    found = by_task[comparison.task](comparison, subset, said)
    return {name: found[name] for name in comparison.metrics}


def _classes(comparison: Comparison, subset: Subset, said: Sequence[Any]) -> dict[str, float]:
    index = {label: i for i, label in enumerate(subset.labels)}
    predicted = np.array([index[row["prediction"]] for row in said])
    labels = np.array([index[example.label] for example in subset.validation])
    found = score(comparison.metrics, predicted, labels)
    return {name: 100 * value for name, value in found.items()}


def _entities(comparison: Comparison, subset: Subset, said: Sequence[Any]) -> dict[str, float]:
    tags = [sentence.tags for sentence in subset.validation]
    total, _ = score_entities(tags, [row["prediction"] for row in said])
    return {name: 100 * getattr(total, name) for name in comparison.metrics}


def _answers(comparison: Comparison, subset: Subset, said: Sequence[Any]) -> dict[str, float]:
    texts = {row["id"]: row["prediction"] for row in said}
    return score_answers(subset.validation, texts, "squad1")
