"""Write token shards."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.data.shard_cutting import ShardCutter
from bert_jax.data.splitting import Extents, offsets


class ShardWriter:
    """Collect the documents of one split and write them as shards, cut by a `ShardCutter`."""

    def __init__(self, directory: Path, split: str, *, shard_tokens: int, id_type: np.dtype):
        self._directory = directory
        self._split = split
        self._id_type = id_type
        self._cutter = ShardCutter(shard_tokens)
        self._shards: list[dict[str, Any]] = []
        self._full: _Buffer | None = None  # complete, unless its successor joins it
        self._open = _Buffer()
        self._histogram = np.zeros(0, np.int64)

    def add(
        self, tokens: np.ndarray, sentence_lengths: np.ndarray, document_lengths: np.ndarray
    ) -> None:
        """Add documents.

        Args:
            tokens: ids of all sentences, one after the other.
            sentence_lengths: tokens in each sentence, above 0.
            document_lengths: sentences in each document, above 0.
        """
        self._histogram = add_histograms(self._histogram, np.bincount(tokens))
        extents = Extents.of(document_lengths, sentence_lengths)
        for first, last, begins in self._cutter.cut(extents.tokens):
            if begins:
                self._full, self._open = self._open, _Buffer()
            sentences = slice(extents.sentences[first], extents.sentences[last])
            self._open.add(
                tokens[extents.tokens[first] : extents.tokens[last]],
                sentence_lengths[sentences],
                document_lengths[first:last],
            )
            if self._full is not None and not self._cutter.last_joins:
                self._write(self._full)
                self._full = None

    def finish(self) -> dict[str, Any]:
        """Write what is left and return the split's entry in the manifest."""
        if self._full is not None:
            self._full.join(self._open)
            self._open = _Buffer()
        for buffer in (self._full, self._open):
            if buffer is not None and buffer.token_parts:
                self._write(buffer)
        return split_entry(self._shards, self._histogram)

    def _write(self, buffer: "_Buffer") -> None:
        name = shard_name(self._split, len(self._shards))
        self._shards.append(buffer.write(self._directory, name, self._id_type))


class _Buffer:
    """Documents that will be one shard."""

    def __init__(self):
        self.token_parts: list[np.ndarray] = []
        self.sentence_parts: list[np.ndarray] = []
        self.document_parts: list[np.ndarray] = []

    def add(self, tokens: np.ndarray, sentences: np.ndarray, documents: np.ndarray) -> None:
        # Copies: a view of the few that are held out would keep all that stood beside them.
        self.token_parts.append(tokens.copy())
        self.sentence_parts.append(sentences.copy())
        self.document_parts.append(documents.copy())

    def join(self, other: "_Buffer") -> None:
        parts = zip(other.token_parts, other.sentence_parts, other.document_parts, strict=True)
        for tokens, sentences, documents in parts:
            self.add(tokens, sentences, documents)

    def write(self, directory: Path, name: str, id_type: np.dtype) -> dict[str, Any]:
        return write_shard(
            directory,
            name,
            np.concatenate(self.token_parts).astype(id_type, copy=False),
            np.concatenate(self.sentence_parts),
            np.concatenate(self.document_parts),
        )


def shard_name(split: str, number: int) -> str:
    """Name a shard by its place in the split."""
    return f"{split}-{number:05d}"


def write_shard(
    directory: Path,
    name: str,
    tokens: np.ndarray,
    sentence_lengths: np.ndarray,
    document_lengths: np.ndarray,
) -> dict[str, Any]:
    """Write the three arrays of a shard; return its entry in the manifest.

    Args:
        directory: where to.
        name: of the shard.
        tokens: ids of all sentences, in the type to be stored.
        sentence_lengths: tokens in each sentence.
        document_lengths: sentences in each document.
    """
    arrays = {
        "tokens": tokens,
        "sentences": offsets(sentence_lengths).astype(np.uint32),
        "documents": offsets(document_lengths).astype(np.uint32),
    }
    for what, array in arrays.items():
        # Not np.save to the file itself: on a full disk that raises an error without errno.
        header = io.BytesIO()
        described = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(header, described)
        with open(directory / f"{name}.{what}.npy", "wb") as file:
            file.write(header.getbuffer())
            file.write(array.data)
    return {
        "name": name,
        "documents": len(document_lengths),
        "sentences": len(sentence_lengths),
        "tokens": len(tokens),
    }


def split_entry(shards: list[dict[str, Any]], histogram: np.ndarray) -> dict[str, Any]:
    """Return a split's entry in the manifest.

    Args:
        shards: their entries, in order.
        histogram: how often each token stands in them: int64 [up to the largest id].
    """
    totals = {
        what: sum(shard[what] for shard in shards) for what in ("documents", "sentences", "tokens")
    }
    shares = histogram / max(1, totals["tokens"])
    used = shares[shares > 0]
    frequent = int(np.argmax(histogram)) if len(histogram) else 0
    return {
        **totals,
        "unigram_entropy": float(-(used * np.log(used)).sum()),
        "most_frequent_token": frequent,
        "most_frequent_token_share": float(shares[frequent]) if len(used) else 0.0,
        "shards": shards,
    }


def add_histograms(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Add counts of tokens, of which one may know more ids than the other: int64."""
    total = np.zeros(max(len(one), len(other)), np.int64)
    total[: len(one)] += one
    total[: len(other)] += other
    return total
