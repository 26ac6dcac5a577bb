"""Batches of pretraining rows: row i of step s is a pure function of (seed, s, i)."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bert_jax.data.packing import pack
from bert_jax.data.pairs import Pairs, PairSampling, sample_pairs, special_tokens
from bert_jax.data.rows import Batch, PackedBatch, RowFormat, lay_out, lengths_of
from bert_jax.data.shards import Shard, Split
from bert_jax.errors import DataError

# Shards mixed with one another; the tables of one such group are in memory at a time.
SHARDS_IN_A_GROUP = 8
# Documents looked at, in each shard, to know how many rows a pass over it gives.
DOCUMENTS_COUNTED = 2000


@dataclass(frozen=True)
class _Group:
    """A stretch of an epoch: the rows of a few shards, mixed.

    Attributes:
        shards: those few.
        pairs: one pass over each of them.
        rows: numbers of the pairs of each row, then -1: [R, K].
        owner: the shard of each row: [R].
    """

    shards: tuple[Shard, ...]
    pairs: Pairs
    rows: NDArray[np.int64]
    owner: NDArray[np.int64]


class PretrainingRows:
    """An endless sequence of rows over a split, epoch after epoch, addressed by index.

    Each epoch samples new pairs, orders the shards anew and mixes the rows of a few shards at a
    time. So that an index can be found without having sampled all epochs before it, a shard gives
    the same number of rows in each: an estimate of what a pass yields. Passes differ by a fraction
    of a percent; a pass that gives more loses some rows at random, one that gives fewer repeats
    some.

    Packed rows are made of the sequences of a pass over a shard before any of this, so they are as
    much a function of (seed, epoch, shard) as the sequences themselves.

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

    def __call__(self, indices: NDArray[np.int64]) -> Batch | PackedBatch:
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
                chosen = places[rows] - start
                parts.append((rows, lay_out(built.pairs, built.rows[chosen], built.shards,
                                            built.owner[chosen], self.row)))  # fmt: skip
        if len(parts) == 1:
            return parts[0][1]
        order = np.argsort(np.concatenate([rows for rows, _ in parts]))
        columns = zip(*(batch for _, batch in parts), strict=True)
        return type(parts[0][1])(*(np.concatenate(column)[order] for column in columns))

    def statistics(self, epoch: int = 0) -> dict[str, float]:
        """Describe the rows of an epoch's first group: shares of the pairs, lengths in tokens."""
        group = self._group(epoch, 0)
        pairs = group.pairs.take(group.rows[group.rows >= 0])
        tokens = lengths_of(pairs)
        pairs_per_row = len(tokens) / len(group.rows)
        return {
            "pairs": round(self.rows_per_epoch * pairs_per_row),
            "rows": self.rows_per_epoch,
            "pairs_per_row": pairs_per_row,
            "is_next_share": float(pairs.is_next.mean()),
            "padding_share": float(1 - tokens.sum() / (len(group.rows) * self.row.row_length)),
            "truncated_share": float(pairs.truncated.mean()),
            "mean_length": float(tokens.mean()),
        }

    def _count(self, shard_index: int) -> int:
        shard = self.split.shards[shard_index]
        documents = len(shard.document_offsets) - 1
        looked_at = range(0, documents, -(-documents // DOCUMENTS_COUNTED) or 1)
        bounds = shard.sentence_offsets[shard.document_offsets].astype(np.int64)
        share = np.diff(bounds)[looked_at.start :: looked_at.step].sum() / max(int(bounds[-1]), 1)
        rows = self._rows(self._sample(shard_index, 0, looked_at), 0, shard_index)
        return round(len(rows) / share) if share else 0

    def _sample(self, shard_index: int, epoch: int, documents: range | None = None) -> Pairs:
        seed = (*self.seed, epoch, shard_index)
        shard = self.split.shards[shard_index]
        return sample_pairs(shard, self.sampling, self.row.max_seq_length, seed, documents)

    def _rows(self, pairs: Pairs, epoch: int, shard_index: int) -> NDArray[np.int64]:
        """Give the numbers of the pairs of each row, then -1: [R, K]."""
        count = len(pairs.is_next)
        if not self.row.packed_length:
            return np.arange(count)[:, None]
        # Mixed first: pairs of a length, placed in their order, would meet those of their document.
        mixed = np.random.default_rng([*self.seed, epoch, shard_index, 1]).permutation(count)
        lengths = lengths_of(pairs)[mixed]
        rows = pack(lengths, self.row.packed_length, self.row.packed_sequences)
        return np.where(rows < 0, -1, mixed[rows])

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
        passes, rows, owner = [], [], []
        before = 0  # pairs of the shards so far
        for place, shard_index in enumerate(members):
            pairs = self._sample(shard_index, epoch)
            of_shard = self._rows(pairs, epoch, shard_index)
            count = self._rows_of_shard[shard_index]
            chosen = of_shard[np.resize(rng.permutation(len(of_shard)), count)]
            passes.append(pairs)
            rows.append(np.where(chosen < 0, -1, chosen + before))
            owner.append(np.full(count, place))
            before += len(pairs.is_next)
        mixed = rng.permutation(sum(len(c) for c in owner))
        return _Group(
            tuple(self.split.shards[i] for i in members),
            Pairs(*(np.concatenate(column) for column in zip(*passes, strict=True))),
            np.concatenate(rows)[mixed],
            np.concatenate(owner)[mixed],
        )
