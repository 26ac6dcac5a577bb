"""How a row of tokens is laid out: a sequence each, or several packed into one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bert_jax.data.pairs import Pairs
from bert_jax.data.shards import Shard


class Batch(NamedTuple):
    """Rows for pretraining, before masking; a pytree of [B, T] arrays and a [B] array."""

    input_ids: NDArray[np.int32]
    token_type_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    next_sentence_label: NDArray[np.int32]  # 0: B follows A


class PackedBatch(NamedTuple):
    """Rows of up to K sequences; a pytree of [B, T] arrays and, from `starts` on, [B, K] arrays."""

    input_ids: NDArray[np.int32]
    token_type_ids: NDArray[np.int32]
    segments: NDArray[np.int32]  # number of a token's sequence in its row, from 1; 0: padding
    positions: NDArray[np.int32]  # of a token in its sequence
    starts: NDArray[np.int32]  # where the sequences' [CLS] stand; 0 where there is none
    next_sentence_label: NDArray[np.int32]  # 0: B follows A
    next_sentence_weight: NDArray[np.float32]  # 1 where there is a sequence, else 0


@dataclass(frozen=True)
class RowFormat:
    """Lengths in tokens, and the special ids.

    Attributes:
        max_seq_length: of a sequence, [CLS] and [SEP] included.
        packed_length: of a row that several sequences share; 0: each has a row of its own.
        packed_sequences: how many share a row at most.
    """

    max_seq_length: int
    pad_id: int
    cls_id: int
    sep_id: int
    packed_length: int = 0
    packed_sequences: int = 1

    @property
    def row_length(self) -> int:
        """Tokens of a row, padding included."""
        return self.packed_length or self.max_seq_length


def empty_batch(row_length: int, packed_sequences: int) -> Batch | PackedBatch:
    """Make a batch of no rows: it tells the dtypes of the columns, and all dimensions but B.

    Args:
        row_length: tokens of a row.
        packed_sequences: how many sequences share a row at most; 0: each has a row of its own.
    """
    tokens = np.zeros((0, row_length), np.int32)
    if not packed_sequences:
        return Batch(tokens, tokens, tokens, np.zeros(0, np.int32))
    each = np.zeros((0, packed_sequences), np.int32)
    return PackedBatch(tokens, tokens, tokens, tokens, each, each, each.astype(np.float32))


def lengths_of(pairs: Pairs) -> NDArray[np.int64]:
    """Count the tokens of [CLS] A [SEP] B [SEP], or of [CLS] A [SEP] where B is empty."""
    return pairs.a_length + 2 + np.where(pairs.b_length > 0, pairs.b_length + 1, 0)


def lay_out(
    pairs: Pairs,
    rows: NDArray[np.int64],
    shards: Sequence[Shard],
    owner: NDArray[np.int64],
    row: RowFormat,
) -> Batch | PackedBatch:
    """Write sequences into rows.

    Args:
        pairs: what the sequences are made of.
        rows: numbers of the pairs of each row, then -1: [B, K]. Unpacked, K is 1.
        shards: where the tokens are.
        owner: the shard of each row: [B].
        row: lengths and special ids; packed where it says so.
    """
    used = rows >= 0
    chosen = pairs.take(rows[used])  # one after the other, row by row
    label = (~chosen.is_next).astype(np.int32)
    place = np.arange(row.row_length)[None, :]  # [1, T]
    if not row.packed_length:
        ids, types, mask = _tokens(
            chosen, place, lambda column: column[:, None], shards, owner, row
        )
        return Batch(ids, types, mask, label)

    lengths = np.zeros(rows.shape, np.int64)
    lengths[used] = lengths_of(chosen)
    starts = np.where(used, np.cumsum(lengths, axis=1) - lengths, 0)
    # What remains of a row counts to its last sequence, which ends before it.
    widths = lengths.copy()
    widths[np.arange(len(rows)), used.sum(axis=1) - 1] += row.row_length - lengths.sum(axis=1)

    def spread(column: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.repeat(column, widths[used]).reshape(len(rows), -1)

    place = place - spread(starts[used])
    ids, types, mask = _tokens(chosen, place, spread, shards, owner, row)
    number = spread(np.nonzero(used)[1] + 1)
    labels = np.zeros(rows.shape, np.int32)
    labels[used] = label
    return PackedBatch(
        ids,
        types,
        mask * number.astype(np.int32),
        mask * place.astype(np.int32),
        starts.astype(np.int32),
        labels,
        used.astype(np.float32),
    )


def _tokens(
    pairs: Pairs,
    place: NDArray[np.int64],
    spread: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    shards: Sequence[Shard],
    owner: NDArray[np.int64],
    row: RowFormat,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Give ids, token types and mask of the tokens, each [B, T].

    Args:
        pairs: one for each sequence.
        place: of each token in its sequence: [B, T] or [1, T].
        spread: gives each token what belongs to its sequence: [B, T] or [B, 1].
        shards: where the tokens are.
        owner: the shard of each row.
        row: the special ids.
    """
    a_end = pairs.a_length + 1  # where the first [SEP] stands
    from_a, from_b = pairs.a_start - 1, pairs.b_start - a_end - 1
    end = spread(lengths_of(pairs) - 1)  # where the last [SEP] stands
    a_end = spread(a_end)
    text = (place > 0) & (place < end) & (place != a_end)
    source = place + np.where(place < a_end, spread(from_a), spread(from_b))
    source[~text] = 0
    ids = np.empty(source.shape, np.int32)
    for shard in np.unique(owner):
        mine = owner == shard
        ids[mine] = shards[shard].tokens[source[mine]]
    np.copyto(ids, row.pad_id, where=~text)
    np.copyto(ids, row.cls_id, where=place == 0)
    np.copyto(ids, row.sep_id, where=(place == a_end) | (place == end))
    mask = (place <= end).astype(np.int32)
    types = ((place > a_end) & (place <= end)).astype(np.int32)
    return ids, types, mask
