"""Sentence pairs for pretraining, sampled as Google's `create_pretraining_data.py` does.

A pair is five numbers that point into a shard's tokens, so an epoch's pairs are a small table
made from (seed, epoch, shard) instead of a copy of the corpus.
"""

import random
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bert_jax.data.shards import Shard


@dataclass(frozen=True)
class PairSampling:
    """How rows are cut out of documents.

    Attributes:
        next_sentence: rows are pairs A, B for next sentence prediction; otherwise one segment.
        random_next_probability: share of pairs with two or more sentences whose B is random.
        short_sequence_probability: share of passes over a document with a shorter target length.

    Raises:
        ValueError: a probability is out of range.
    """

    next_sentence: bool
    random_next_probability: float
    short_sequence_probability: float

    def __post_init__(self) -> None:
        for name in ("random_next_probability", "short_sequence_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} must be in [0, 1]")


class Pairs(NamedTuple):
    """A table of rows: spans of tokens for A and B, and whether B follows A in its document.

    `truncated` tells whether tokens were cut off to fit. Without next sentence prediction B is
    empty and `is_next` true.
    """

    a_start: NDArray[np.int64]
    a_length: NDArray[np.int64]
    b_start: NDArray[np.int64]
    b_length: NDArray[np.int64]
    is_next: NDArray[np.bool_]
    truncated: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> "Pairs":
        """Pick rows."""
        return Pairs._make(column[rows] for column in self)


def special_tokens(sampling: PairSampling) -> int:
    """Count the tokens of a row that are not text: [CLS] A [SEP] B [SEP], or [CLS] A [SEP]."""
    return 3 if sampling.next_sentence else 2


def sample_pairs(
    shard: Shard,
    sampling: PairSampling,
    max_seq_length: int,
    seed: Sequence[int],
    documents: Iterable[int] | None = None,
) -> Pairs:
    """Sample one pass over a shard, or over some of its documents.

    Args:
        shard: at least two documents if `sampling.next_sentence`, since a random B comes from
            another document. (Google tries ten times for another one; here it always is.)
        sampling: the probabilities.
        max_seq_length: tokens in a row, special ones included.
        seed: entropy; the table is a pure function of it and of the other arguments.
        documents: indices of the documents passed over; all by default.
    """
    entropy = np.random.SeedSequence(list(seed))
    uniform = random.Random(int(entropy.generate_state(1, np.uint64)[0])).random
    offsets: list[int] = shard.sentence_offsets.tolist()
    bounds: list[int] = shard.document_offsets.tolist()
    max_tokens = max_seq_length - special_tokens(sampling)
    spans: list[tuple[int, int, int, int, bool]] = []
    for document in range(len(bounds) - 1) if documents is None else documents:
        target = max_tokens
        if uniform() < sampling.short_sequence_probability:
            target = 2 + int(uniform() * (max_tokens - 1))
        walk = _pairs_of_document if sampling.next_sentence else _segments_of_document
        spans += walk(document, target, offsets, bounds, sampling, uniform)
    table = np.array(spans, np.int64).reshape(-1, 5)
    return _truncate(table, max_tokens, np.random.default_rng(entropy.spawn(1)[0]))


def _pairs_of_document(document, target, offsets, bounds, sampling, uniform):  # type: ignore[no-untyped-def]
    """Yield (A start, A end, B start, B end, is next) in tokens, one pass over a document."""
    others = len(bounds) - 2
    sentence, last = bounds[document], bounds[document + 1]
    while sentence < last:
        # Sentences are gathered until they reach the target length or the document ends.
        end = min(bisect_left(offsets, offsets[sentence] + target, sentence + 1, last + 1), last)
        gathered = end - sentence
        a_end = sentence + 1 if gathered == 1 else sentence + 1 + int(uniform() * (gathered - 1))
        start, middle = offsets[sentence], offsets[a_end]
        if gathered > 1 and uniform() >= sampling.random_next_probability:
            yield start, middle, middle, offsets[end], True
            sentence = end
            continue
        other = int(uniform() * others)
        other += other >= document
        first, stop = bounds[other], bounds[other + 1]
        b_first = first + int(uniform() * (stop - first))
        wanted = max(target - (middle - start), 1)
        b_end = min(bisect_left(offsets, offsets[b_first] + wanted, b_first + 1, stop + 1), stop)
        yield start, middle, offsets[b_first], offsets[b_end], False
        sentence = a_end  # what was gathered beyond A is put back


def _segments_of_document(document, target, offsets, bounds, sampling, uniform):  # type: ignore[no-untyped-def]
    """Yield runs of sentences, each about `target` tokens, with an empty B."""
    del sampling, uniform
    sentence, last = bounds[document], bounds[document + 1]
    while sentence < last:
        end = min(bisect_left(offsets, offsets[sentence] + target, sentence + 1, last + 1), last)
        yield offsets[sentence], offsets[end], offsets[end], offsets[end], True
        sentence = end


def _truncate(table: NDArray[np.int64], max_tokens: int, rng: np.random.Generator) -> Pairs:
    """Shorten pairs to `max_tokens`.

    Google's loop takes one token after the other off the longer side (off B when they are
    equal), each time from the front or the back with equal chance. How many each side loses is
    therefore known beforehand, and how many of those come off the front is binomial.
    """
    a_start, a_end, b_start, b_end, is_next = table.T
    a_length, b_length = a_end - a_start, b_end - b_start
    excess = np.maximum(a_length + b_length - max_tokens, 0)
    from_a = np.minimum(np.maximum(a_length - b_length, 0), excess)
    from_b = np.minimum(np.maximum(b_length - a_length, 0), excess)
    rest = excess - from_a - from_b
    from_a, from_b = from_a + rest // 2, from_b + (rest + 1) // 2
    return Pairs(
        a_start + rng.binomial(from_a, 0.5),
        a_length - from_a,
        b_start + rng.binomial(from_b, 0.5),
        b_length - from_b,
        is_next.astype(bool),
        excess > 0,
    )
