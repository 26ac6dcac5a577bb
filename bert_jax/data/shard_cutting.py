"""Where one shard ends and the next begins: a matter of how long the documents are, in order."""

from collections.abc import Iterator

import numpy as np


class ShardCutter:
    """Follows the documents of one split.

    A shard closes when the next document begins past `shard_tokens`, never with fewer than two
    documents; a last one with a single document joins the one before. So every shard offers
    another document to draw a random sentence from, where the corpus has one.
    """

    def __init__(self, shard_tokens: int):
        self._shard_tokens = shard_tokens
        self._tokens = self._documents = 0  # of the shard that is open

    @property
    def last_joins(self) -> bool:
        """Whether the shard that is open, if it is the last, joins the one before."""
        return self._documents < 2

    def cut(self, starts: np.ndarray) -> Iterator[tuple[int, int, bool]]:
        """Yield (first, last, whether they begin a new shard) of runs of documents.

        Args:
            starts: where each of the documents begins in tokens, and the end: int64
                [documents + 1], counted from anywhere.
        """
        first, count = 0, len(starts) - 1
        while first < count:
            begins = self._tokens >= self._shard_tokens and self._documents >= 2
            if begins:
                self._tokens = self._documents = 0
            # The documents that begin before the shard is full, and two in any case.
            limit = starts[first] + self._shard_tokens - self._tokens
            room = int(np.searchsorted(starts, limit)) - first
            last = min(first + max(room, 2 - self._documents, 1), count)
            self._tokens += int(starts[last] - starts[first])
            self._documents += last - first
            yield first, last, begins
            first = last
