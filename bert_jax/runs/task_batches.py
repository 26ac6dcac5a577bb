"""Rows of a task as batches, and a model's scores back as rows."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from bert_jax.data.grouping import Grouping, RowBatch
from bert_jax.objectives.finetuning import TaskBatch
from bert_jax.tasks.examples import Features

# What fills up targets with an entry a token, or a word.
FILLERS = {"tags": -100, "word_starts": 0}


def fill(features: Features, chosen: RowBatch, batch_size: int, pad_id: int) -> TaskBatch:
    """Lay chosen rows out as arrays; the batch is filled up with rows of weight 0."""
    rows, length = chosen.rows, chosen.length
    ids = np.full((batch_size, length), pad_id, np.int32)
    segments = np.zeros((batch_size, length), np.int32)
    mask = np.zeros((batch_size, length), np.int32)
    mask[:, 0] = 1  # a row of padding alone still has a softmax
    for place, row in enumerate(rows):
        tokens = features.input_ids[row]
        ids[place, : len(tokens)] = tokens
        segments[place, : len(tokens)] = features.token_type_ids[row]
        mask[place, : len(tokens)] = 1
    weights = (np.arange(batch_size) < len(rows)).astype(np.float32)
    targets = {
        name: _fill_target(name, values, rows, batch_size, length)
        for name, values in features.targets.items()
    }
    return TaskBatch(ids, segments, mask, weights, targets)  # type: ignore[arg-type]


def _fill_target(
    name: str, values: Any, rows: np.ndarray, batch_size: int, length: int
) -> np.ndarray:
    if isinstance(values, list):
        filled = np.full((batch_size, length), FILLERS[name], np.int32)
        for place, row in enumerate(rows):
            filled[place, : len(values[row])] = values[row]
        return filled
    filled = np.zeros((batch_size, *values.shape[1:]), values.dtype)
    filled[: len(rows)] = values[rows]
    return filled


def score_rows(
    forward: Callable[[TaskBatch], Any],
    features: Features,
    grouping: Grouping,
    put: Callable[[Any], Any],
    pad_id: int,
) -> list[np.ndarray]:
    """Run a model over all rows, each once, and return what it says of each, in their order.

    Args:
        forward: from a batch to scores [B, ...]; those of tokens, [B, T, ...], are cut to the row.
        features: the rows.
        grouping: over the rows' lengths.
        put: puts a batch on the devices.
        pad_id: the token that fills rows up.
    """
    by_row: list[np.ndarray | None] = [None] * len(features.input_ids)
    pending: list[tuple[RowBatch, Any]] = []

    def take(chosen: RowBatch, scores: Any) -> None:
        scores = jax.device_get(scores)
        of_tokens = scores.ndim > 2
        for place, row in enumerate(chosen.rows):
            length = len(features.input_ids[row])
            by_row[row] = scores[place, :length] if of_tokens else scores[place]

    for chosen in grouping.by_length():
        batch = fill(features, chosen, grouping.batch_size, pad_id)
        pending.append((chosen, forward(put(batch))))
        if len(pending) > 1:  # the device works on this batch while the last one is taken
            take(*pending.pop(0))
    for chosen, scores in pending:
        take(chosen, scores)
    return [row for row in by_row if row is not None]
