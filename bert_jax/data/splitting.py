"""Which documents are held out: decided by their number, as groups of them arrive in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from bert_jax.data import holdout

_MOST_HELD_TOKENS = 64_000_000  # kept in memory until their split is known


@dataclass(frozen=True)
class Extents:
    """Where documents begin, and the last one ends: int64 [documents + 1], none of them empty."""

    sentences: np.ndarray
    tokens: np.ndarray

    @classmethod
    def of(cls, document_lengths: np.ndarray, sentence_lengths: np.ndarray) -> "Extents":
        """Return those of a group: sentences a document, of which some may have none, and tokens.

        A document without sentences takes no place and gets no number.
        """
        used = document_lengths[document_lengths > 0]
        sentences = offsets(used)
        return cls(sentences, offsets(sentence_lengths)[sentences])

    @property
    def documents(self) -> int:
        """How many there are."""
        return len(self.tokens) - 1

    def part(self, first: int, last: int) -> "Extents":
        """Return those of some of the documents, counted from where all of them are."""
        return Extents(self.sentences[first : last + 1], self.tokens[first : last + 1])


class HasExtents(Protocol):
    """A group of documents."""

    @property
    def extents(self) -> Extents:
        """Those that have tokens."""
        ...


G = TypeVar("G", bound=HasExtents)


def assign(groups: Iterator[G], share: float, seed: int) -> Iterator[tuple[G, np.ndarray]]:
    """Yield each group with a mask of its documents that are held out.

    The first groups wait until it is known whether there are more documents than the first block.
    """
    waiting: list[G] = []
    documents = tokens = 0
    most = max(holdout.first_block(share), holdout.MIN_DOCUMENTS)
    first: np.ndarray | None = None  # which of the first documents are held out, once known

    def held_out(group: G, start: int) -> np.ndarray:
        assert first is not None
        ordinals = start + np.arange(group.extents.documents)
        chosen = holdout.choose_later(ordinals, share, seed)
        early = ordinals < len(first)
        chosen[early] = first[ordinals[early]]
        return chosen

    def assign_waiting() -> Iterator[tuple[G, np.ndarray]]:
        start = 0
        for group in waiting:
            yield group, held_out(group, start)
            start += group.extents.documents
        waiting.clear()

    for group in groups:
        start = documents
        documents += group.extents.documents
        if first is not None:
            yield group, held_out(group, start)
            continue
        waiting.append(group)
        tokens += int(group.extents.tokens[-1] - group.extents.tokens[0])
        if documents >= most or tokens > _MOST_HELD_TOKENS:
            first = holdout.choose_first(min(documents, most), share, seed)
            yield from assign_waiting()
    if first is None:
        first = holdout.choose_first(documents, share, seed)
        yield from assign_waiting()


def runs(held_out: np.ndarray) -> Iterator[tuple[int, int, str]]:
    """Yield (first, last, split) of neighbouring documents with the same fate."""
    changes = np.flatnonzero(held_out[1:] != held_out[:-1]) + 1
    bounds = [0, *changes.tolist(), len(held_out)]
    for first, last in zip(bounds, bounds[1:], strict=False):
        if first < last:
            yield first, last, "validation" if held_out[first] else "train"


def offsets(lengths: np.ndarray) -> np.ndarray:
    """Return where things of these lengths begin, and the end: int64."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
