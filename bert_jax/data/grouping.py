"""Rows of different lengths grouped into batches of a few static lengths."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RowBatch:
    """Which rows form a batch, and how long it is.

    Attributes:
        rows: indices of the rows; fewer than the batch size at the end of the data.
        length: tokens that each row is padded to.
    """

    rows: NDArray[np.int64]
    length: int


@dataclass(frozen=True)
class Grouping:
    """Batches over rows of known lengths: each row once an epoch.

    Attributes:
        lengths: tokens of each row.
        batch_size: rows of a batch.
        static_lengths: lengths that batches are padded to, rising; the last holds every row.

    Raises:
        ValueError: a row is longer than all static lengths.
    """

    lengths: NDArray[np.int64]
    batch_size: int
    static_lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.lengths) and self.lengths.max() > self.static_lengths[-1]:
            raise ValueError(
                f"a row of {self.lengths.max()} tokens is longer than {self.static_lengths[-1]}"
            )

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches that hold all rows."""
        return -(-len(self.lengths) // self.batch_size)

    def in_random_order(self, seed: int, epoch: int) -> list[RowBatch]:
        """Give an epoch's batches, a pure function of both.

        How long the batch in each place is depends on the epoch alone, so that runs of several
        seeds can be computed together; which rows it holds, on the seed too.
        """
        rows = np.random.default_rng((seed, epoch)).permutation(len(self.lengths))
        batches = self._cut(rows, self._padded(self.lengths[rows]))
        # The batch that is not full stays last: only there are rows without weight.
        last = [batch for batch in batches if len(batch.rows) < self.batch_size]
        full = [batch for batch in batches if len(batch.rows) == self.batch_size]
        return [full[i] for i in np.random.default_rng(epoch).permutation(len(full))] + last

    def by_length(self) -> list[RowBatch]:
        """Give batches of all rows, the longest first, for evaluation."""
        return self._cut(np.arange(len(self.lengths)), self.lengths)

    def _cut(self, rows: NDArray[np.int64], sizes: NDArray[np.int64]) -> list[RowBatch]:
        """Cut rows into batches, the greatest sizes first; the shortest rows are left over."""
        rows = rows[np.argsort(-sizes, kind="stable")]
        parts = [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        return [RowBatch(part, int(self._padded(self.lengths[part]).max())) for part in parts]

    def _padded(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the static length that holds each row."""
        static = np.array(self.static_lengths)
        return static[np.searchsorted(static, lengths)]


def usual_lengths(longest: int, multiple: int = 32) -> tuple[int, ...]:
    """Choose static lengths for rows yet to come: multiples of `multiple`, and few of them.

    Each costs a compilation, so past four multiples they grow by a half.
    """
    lengths = []
    length = multiple
    while length < longest:
        lengths.append(length)
        grown = length + multiple if length < 4 * multiple else length + length // 2
        length = -(-grown // multiple) * multiple
    return (*lengths, longest)


def fitting_lengths(
    lengths: NDArray[np.int64], batch_size: int, most: int = 4, multiple: int = 8
) -> tuple[int, ...]:
    """Choose the static lengths with which known rows need the least padding.

    Args:
        lengths: tokens of each row.
        batch_size: rows of a batch.
        most: how many to choose at most; each costs a compilation.
        multiple: what they are multiples of, the longest row's excepted.
    """
    longest = np.sort(lengths)[::-1][::batch_size]  # of each batch, were all rows sorted
    rounded = np.minimum(-(-longest // multiple) * multiple, longest.max())
    steps, batches = np.unique(rounded, return_counts=True)
    before = np.concatenate([[0], np.cumsum(batches)])
    # Of the first `end` steps with so many lengths: the least tokens, and where the last begins.
    cost = np.where(np.arange(len(steps) + 1) > 0, np.inf, 0.0)
    begins: list[NDArray[np.int64]] = []
    for _ in range(min(most, len(steps))):
        totals = [
            cost[:end] + steps[end - 1] * (before[end] - before[:end])
            for end in range(1, len(steps) + 1)
        ]
        begins.append(np.array([0, *(int(total.argmin()) for total in totals)]))
        cost = np.array([0.0, *(total.min() for total in totals)])
    chosen, end = [], len(steps)
    for begin in reversed(begins):
        if end:
            chosen.append(int(steps[end - 1]))
            end = int(begin[end])
    return tuple(reversed(chosen))
