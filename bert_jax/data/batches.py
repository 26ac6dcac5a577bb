"""Batches of pretraining rows: row i of step s is a pure function of (seed, s, i)."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bert_jax.data.pairs import Pairs, PairSampling, sample_pairs, special_tokens
from bert_jax.data.shards import Shard, Split
from bert_jax.errors import DataError

# Shards mixed with one another; the tables of one such group are in memory at a time.
SHARDS_IN_A_GROUP = 8
# Documents looked at, in each shard, to know how many rows a pass over it gives.
DOCUMENTS_COUNTED = 2000


class Batch(NamedTuple):
    """Rows for pretraining, before masking; a pytree of [B, T] arrays and a [B] array."""

    input_ids: NDArray[np.int32]
    token_type_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    next_sentence_label: NDArray[np.int32]  # 0: B follows A


@dataclass(frozen=True)
class RowFormat:
    """What surrounds the text of a row: its length in tokens and the special ids."""

    max_seq_length: int
    pad_id: int
    cls_id: int
    sep_id: int


@dataclass(frozen=True)
class _Group:
    """A stretch of an epoch: the rows of a few shards, mixed."""

    shards: tuple[Shard, ...]
    shard_of_row: NDArray[np.int64]
    pairs: Pairs


class PretrainingRows:
    """An endless sequence of rows over a split, epoch after epoch, addressed by index.

    Each epoch samples new pairs, orders the shards anew and mixes the rows of a few shards at a
    time. So that an index can be found without having sampled all epochs before it, a shard gives
    the same number of rows in each: an estimate of what a pass yields. Passes differ by a fraction
    of a percent; a pass that gives more loses some rows at random, one that gives fewer repeats
    some.

    Raises:
        DataError: the split has too little text, or next sentence prediction one document.
    """

    def __init__(
        self, split: Split, sampling: PairSampling, row: RowFormat, seed: Sequence[int]
    ) -> None:
        if sampling.next_sentence and split.documents < 2:
            raise DataError(
                f"the {split.name} split holds one document; next sentence prediction takes "
                "random sentences from another one: give more documents (are they separated as "
                "config.prepare.format expects?) or set --config.pairs.next_sentence=False"
            )
        if row.max_seq_length - special_tokens(sampling) < 2:
            raise DataError(f"max_seq_length={row.max_seq_length} leaves no room for text")
        self.split, self.sampling, self.row, self.seed = split, sampling, row, tuple(seed)
        self._rows_of_shard = np.array([self._count(i) for i in range(len(split.shards))])
        self.rows_per_epoch = int(self._rows_of_shard.sum())
        if not self.rows_per_epoch:
            raise DataError(f"the {split.name} split holds no text")
        self._lock = threading.Lock()
        self._groups: dict[tuple[int, int], Future[_Group]] = {}
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="pairs")

    def __call__(self, indices: NDArray[np.int64]) -> Batch:
        """Assemble the rows with the given indices, in their order."""
        epochs, places = np.divmod(indices, self.rows_per_epoch)
        parts = []
        for epoch in np.unique(epochs):
            of_epoch = np.flatnonzero(epochs == epoch)
            ends = np.cumsum([self._rows_of_shard[list(g)].sum() for g in self._order(int(epoch))])
            groups = np.searchsorted(ends, places[of_epoch], side="right")
            for group in np.unique(groups):
                rows = of_epoch[groups == group]
                start = ends[group - 1] if group else 0
                built = self._group(int(epoch), int(group))
                parts.append((rows, self._assemble(built, places[rows] - start)))
        if len(parts) == 1:
            return parts[0][1]
        order = np.argsort(np.concatenate([rows for rows, _ in parts]))
        return Batch(*(np.concatenate(c)[order] for c in zip(*(b for _, b in parts), strict=True)))

    def statistics(self, epoch: int = 0) -> dict[str, float]:
        """Describe the rows of an epoch's first group: shares of the pairs, lengths in tokens."""
        pairs = self._group(epoch, 0).pairs
        lengths = pairs.a_length + pairs.b_length + special_tokens(self.sampling)
        return {
            "pairs": self.rows_per_epoch,
            "is_next_share": float(pairs.is_next.mean()),
            "padding_share": float(1 - lengths.mean() / self.row.max_seq_length),
            "truncated_share": float(pairs.truncated.mean()),
            "mean_length": float(lengths.mean()),
        }

    def _count(self, shard_index: int) -> int:
        shard = self.split.shards[shard_index]
        documents = len(shard.document_offsets) - 1
        looked_at = range(0, documents, -(-documents // DOCUMENTS_COUNTED) or 1)
        bounds = shard.sentence_offsets[shard.document_offsets].astype(np.int64)
        share = np.diff(bounds)[looked_at.start :: looked_at.step].sum() / max(int(bounds[-1]), 1)
        pairs = self._sample(shard_index, 0, looked_at)
        return round(len(pairs.is_next) / share) if share else 0

    def _sample(self, shard_index: int, epoch: int, documents: range | None = None) -> Pairs:
        seed = (*self.seed, epoch, shard_index)
        shard = self.split.shards[shard_index]
        return sample_pairs(shard, self.sampling, self.row.max_seq_length, seed, documents)

    def _order(self, epoch: int) -> list[tuple[int, ...]]:
        """Cut an epoch's order of shards into groups."""
        shards = len(self._rows_of_shard)
        order = np.random.default_rng([*self.seed, epoch, shards]).permutation(shards).tolist()
        return [
            tuple(order[i : i + SHARDS_IN_A_GROUP]) for i in range(0, shards, SHARDS_IN_A_GROUP)
        ]

    def _group(self, epoch: int, group: int) -> _Group:
        """Return a group, and have the one after it built in the background."""
        following = (epoch, group + 1) if group + 1 < len(self._order(epoch)) else (epoch + 1, 0)
        with self._lock:
            for place in ((epoch, group), following):
                if place not in self._groups:
                    self._groups[place] = self._builder.submit(self._build, *place)
            self._groups = {place: self._groups[place] for place in ((epoch, group), following)}
            built = self._groups[epoch, group]
        return built.result()

    def _build(self, epoch: int, group: int) -> _Group:
        members = self._order(epoch)[group]
        rng = np.random.default_rng([*self.seed, epoch, group, 0])
        columns, shard_of_row = [], []
        for place, shard_index in enumerate(members):
            pairs = self._sample(shard_index, epoch)
            count = self._rows_of_shard[shard_index]
            rows = np.resize(rng.permutation(len(pairs.is_next)), count)
            columns.append(pairs.take(rows))
            shard_of_row.append(np.full(count, place))
        mixed = rng.permutation(sum(len(c) for c in shard_of_row))
        pairs = Pairs(*(np.concatenate(column) for column in zip(*columns, strict=True)))
        shards = tuple(self.split.shards[i] for i in members)
        return _Group(shards, np.concatenate(shard_of_row)[mixed], pairs.take(mixed))

    def _assemble(self, group: _Group, rows: NDArray[np.int64]) -> Batch:
        pairs, owner, length = group.pairs.take(rows), group.shard_of_row[rows], self.row
        place = np.arange(length.max_seq_length)[None, :]  # [1, T]
        a_end = pairs.a_length[:, None] + 1  # where the first [SEP] stands
        end = a_end + np.where(pairs.b_length > 0, pairs.b_length + 1, 0)[:, None]  # and the last
        in_a = place < a_end
        text = (place > 0) & (place < end) & (place != a_end)
        source = place + np.where(
            in_a, pairs.a_start[:, None] - 1, pairs.b_start[:, None] - a_end - 1
        )
        source[~text] = 0
        input_ids = np.empty(source.shape, np.int32)
        for shard in np.unique(owner):
            mine = owner == shard
            input_ids[mine] = group.shards[shard].tokens[source[mine]]
        input_ids[~text] = length.pad_id
        input_ids[:, 0] = length.cls_id
        np.put_along_axis(input_ids, a_end, length.sep_id, 1)
        np.put_along_axis(input_ids, end, length.sep_id, 1)
        attention_mask = (place <= end).astype(np.int32)
        token_type_ids = ((place > a_end) & (place <= end)).astype(np.int32)
        return Batch(input_ids, token_type_ids, attention_mask, (~pairs.is_next).astype(np.int32))
