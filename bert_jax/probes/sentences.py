"""Sentences as rows of token ids, and a model asked about all of them, some rows at a time."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.errors import DataError

ROWS = 256  # computed at a time


def encode(
    texts: Iterable[tuple[str, str]], tokenizer: Tokenizer, positions: int, field: str
) -> list[list[int]]:
    """Give the token ids of sentences, [CLS] and [SEP] around each.

    Args:
        texts: each after the place it stands at.
        tokenizer: the model's.
        positions: tokens that the model can take.
        field: of config.probe, which named the sentences.

    Raises:
        DataError: a sentence is too long for the model.
    """
    sentences = []
    for place, text in texts:
        ids = [tokenizer.cls_id, *tokenizer.encode_batch([text])[0], tokenizer.sep_id]
        if len(ids) > positions:
            raise DataError(
                f"{place}: {text!r} has {len(ids)} tokens, but "
                f"config.model.max_position_embeddings={positions}; shorten it, or name "
                f"another file by --config.probe.{field}=FILE"
            )
        sentences.append(ids)
    return sentences


def padded(rows: Sequence[Sequence[int]], pad_id: int) -> NDArray[np.int32]:
    """Make one array of rows of token ids: [R, T]."""
    ids = np.full((len(rows), max(map(len, rows))), pad_id, np.int32)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values
    return ids


def ask(
    function: Callable[..., Any], params: Any, *columns: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Apply a function of parameters and rows to all rows; what it gives has an entry a row."""
    total, found = len(columns[0]), []
    for first in range(0, total, ROWS):
        rows = np.arange(first, first + ROWS) % total  # the last batch is filled up
        found.append(jax.device_get(function(params, *(column[rows] for column in columns))))
    return np.concatenate(found)[:total]
