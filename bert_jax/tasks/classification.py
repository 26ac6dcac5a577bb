"""Texts and pairs to what a classifier or a regressor is fed."""

from collections.abc import Sequence

import numpy as np

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.errors import ConfigError
from bert_jax.tasks.examples import Example, Features
from bert_jax.tasks.labels import label_index


def make_features(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    labels: Sequence[str] | None,
    max_seq_length: int,
) -> tuple[Features, int]:
    """Return a row an example, [CLS] A [SEP] or [CLS] A [SEP] B [SEP], and how many were cut.

    Args:
        examples: all with a pair, or none.
        tokenizer: that of the model.
        labels: the classes in the order of their indices; None or empty for regression.
        max_seq_length: the most tokens of a row.

    The target is `label` (int32) or, for regression, `value` (float32); none where any is hidden.

    Raises:
        DataError: a label is not one of `labels`.
        ConfigError: `max_seq_length` leaves no room for text.
    """
    pairs = any(example.text_pair is not None for example in examples)
    room = max_seq_length - (3 if pairs else 2)
    if room < 2:
        raise ConfigError(
            f"max_seq_length: got {max_seq_length}, wants {5 if pairs else 4} or more"
        )
    cls, sep = tokenizer.cls_id, tokenizer.sep_id
    first = tokenizer.encode_batch([example.text for example in examples])
    second = [[]] * len(first)
    if pairs:
        second = tokenizer.encode_batch([example.text_pair or "" for example in examples])
    input_ids, token_type_ids, cut = [], [], 0
    for a, b in zip(first, second, strict=True):
        keep_a, keep_b = lengths_to_keep(len(a), len(b), room)
        cut += keep_a < len(a) or keep_b < len(b)
        tail = [*b[:keep_b], sep] if pairs else []
        input_ids.append([cls, *a[:keep_a], sep, *tail])
        token_type_ids.append([0] * (keep_a + 2) + [1] * len(tail))
    rows = np.arange(len(examples), dtype=np.int32)
    return Features(input_ids, token_type_ids, rows, _targets(examples, labels)), cut


def lengths_to_keep(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how much of each of a pair stays when the longer one, or the second, loses a token
    until both fit."""
    keep = min(first, max(room - second, (room + 1) // 2))
    return keep, min(second, room - keep)


def _targets(
    examples: Sequence[Example], labels: Sequence[str] | None
) -> dict[str, np.ndarray | list[list[int]]]:
    given = [(example.label, example.place) for example in examples if example.label is not None]
    if len(given) < len(examples):
        return {}
    if not labels:
        return {"value": np.array([label for label, _ in given], np.float32)}
    indices = [label_index(str(label), labels, place) for label, place in given]
    return {"label": np.array(indices, np.int32)}
