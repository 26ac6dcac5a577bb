"""Texts and pairs as rows of a model, where [MASK] may stand for the mask."""

from collections.abc import Sequence

import numpy as np

from bert_jax.data.lines import ReadReport
from bert_jax.data.tokenizers import Tokenizer
from bert_jax.tasks.classification import lengths_to_keep
from bert_jax.tasks.examples import Example, Features

MASK = "[MASK]"


def make_rows(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    max_seq_length: int,
    report: ReadReport,
    *,
    masks: bool,
) -> Features:
    """Return a row an example: [CLS] A [SEP], or [CLS] A [SEP] B [SEP] for a pair.

    Args:
        examples: texts and pairs, mixed as they come.
        tokenizer: that of the model.
        max_seq_length: the most tokens of a row; what is longer is cut.
        report: is told which examples were cut.
        masks: whether a literal [MASK] is the mask; else it is text like any other.
    """
    encode = _encode_with_masks if masks else _encode
    cls, sep = tokenizer.cls_id, tokenizer.sep_id
    first = encode(tokenizer, [example.text for example in examples])
    second = encode(tokenizer, [example.text_pair or "" for example in examples])
    input_ids, token_type_ids = [], []
    for example, a, b in zip(examples, first, second, strict=True):
        pair = example.text_pair is not None
        keep_a, keep_b = lengths_to_keep(len(a), len(b), max_seq_length - (3 if pair else 2))
        if keep_a < len(a) or keep_b < len(b):
            report.note(f"longer than {max_seq_length} tokens and cut", example.place)
        tail = [*b[:keep_b], sep] if pair else []
        input_ids.append([cls, *a[:keep_a], sep, *tail])
        token_type_ids.append([0] * (keep_a + 2) + [1] * len(tail))
    return Features(input_ids, token_type_ids, np.arange(len(examples), dtype=np.int32))


def _encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    return tokenizer.encode_batch(texts)


def _encode_with_masks(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    split = [text.split(MASK) for text in texts]
    pieces = iter(tokenizer.encode_batch([part for parts in split for part in parts]))
    rows = []
    for parts in split:
        row = list(next(pieces))
        for _ in parts[1:]:
            row += [tokenizer.mask_id, *next(pieces)]
        rows.append(row)
    return rows
