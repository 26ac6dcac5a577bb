"""What is counted while a corpus is prepared, in bounded memory."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bert_jax.data.encoding import Encoded
from bert_jax.data.lines import ReadReport, Tally

_SENTENCE_EDGES = (1, 5, 10, 20, 40, 80, 160, 320, 640, 1_280)  # tokens; a bin up to the next
_DOCUMENT_EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)  # sentences
_HASH_BITS = 27
_MOST_LINES = 8_000_000  # at which about one new line in ten would pass for a duplicate


class LineCounter:
    """Count lines that were seen before, in 16 MB: two bits a line, a Bloom filter.

    A new line may pass for a duplicate, by chance (two in a thousand after a million lines), so
    the count is approximate; it ends after eight million lines.
    """

    def __init__(self):
        self._seen = np.zeros(1 << (_HASH_BITS - 3), np.uint8)  # eight bits an entry
        self.lines = 0
        self.duplicates = 0

    @property
    def full(self) -> bool:
        """Whether no more lines are counted."""
        return self.lines >= _MOST_LINES

    def add(self, hashes: np.ndarray) -> None:
        """Count lines by their hashes."""
        if self.full or not len(hashes):
            return
        new, counts = np.unique(hashes, return_counts=True)
        mask = np.uint64((1 << _HASH_BITS) - 1)
        one, two = new & mask, (new * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - _HASH_BITS)
        known = self._bits(one) & self._bits(two)
        for places in (one, two):
            np.bitwise_or.at(self._seen, places >> 3, np.uint8(1) << (places & 7).astype(np.uint8))
        self.lines += len(hashes)
        self.duplicates += int(known.sum() + (counts - 1).sum())

    def _bits(self, places: np.ndarray) -> np.ndarray:
        return (self._seen[places >> 3] >> (places & 7).astype(np.uint8)) & 1


@dataclass
class Counts:
    """Counts over documents that were used; those of several processes add up."""

    characters: int = 0
    sentences_cut: int = 0
    sentence_lengths: np.ndarray = field(
        default_factory=lambda: np.zeros(len(_SENTENCE_EDGES), np.int64)
    )
    document_lengths: np.ndarray = field(
        default_factory=lambda: np.zeros(len(_DOCUMENT_EDGES), np.int64)
    )

    def count(self, encoded: Encoded) -> None:
        """Count a group of documents."""
        used = encoded.document_lengths[encoded.document_lengths > 0]
        self.add(
            Counts(
                encoded.characters,
                encoded.sentences_cut,
                _histogram(encoded.sentence_lengths, _SENTENCE_EDGES),
                _histogram(used, _DOCUMENT_EDGES),
            )
        )

    def add(self, other: "Counts") -> None:
        """Add the counts over other documents."""
        self.characters += other.characters
        self.sentences_cut += other.sentences_cut
        self.sentence_lengths = self.sentence_lengths + other.sentence_lengths
        self.document_lengths = self.document_lengths + other.document_lengths


class Statistics:
    """Everything that is counted while a corpus is read and encoded."""

    def __init__(self):
        self.report = ReadReport()
        self.counts = Counts()
        self.lines = LineCounter()

    def summary(self, splits: dict[str, dict[str, Any]], unknown: int) -> dict[str, Any]:
        """Return everything as plain values.

        Args:
            splits: the splits' entries in the manifest.
            unknown: how many tokens are [UNK].
        """
        report, counts = self.report, self.counts
        counted = ("documents", "sentences", "tokens")
        total = {what: sum(split[what] for split in splits.values()) for what in counted}
        notes = dict(report.notes)
        if counts.sentences_cut:
            notes["sentences cut"] = Tally(counts.sentences_cut, "")
        return {
            **total,
            "splits": {
                name: {what: split[what] for what in counted} for name, split in splits.items()
            },
            "documents_read": report.documents,
            "documents_skipped": sum(tally.count for tally in report.skipped.values()),
            "stored_bytes": report.position,
            "text_bytes": report.text_bytes,
            "characters": counts.characters,
            "unknown_share": unknown / max(1, total["tokens"]),
            "sentences_per_document": total["sentences"] / max(1, total["documents"]),
            "tokens_per_sentence": total["tokens"] / max(1, total["sentences"]),
            "lines": self.lines.lines,
            "duplicate_lines": self.lines.duplicates,
            "duplicate_lines_are": "approximate, over the first eight million lines",
            "sentence_lengths": _as_dict(counts.sentence_lengths, _SENTENCE_EDGES, "tokens"),
            "document_lengths": _as_dict(counts.document_lengths, _DOCUMENT_EDGES, "sentences"),
            "skipped": _tallies(report.skipped),
            "skipped_files": _tallies(report.skipped_files),
            "changed": _tallies(notes),
        }


def _histogram(lengths: np.ndarray, edges: tuple[int, ...]) -> np.ndarray:
    bins = np.searchsorted(edges, lengths, side="right") - 1
    return np.bincount(bins, minlength=len(edges))


def _as_dict(counts: np.ndarray, edges: tuple[int, ...], unit: str) -> dict[str, Any]:
    return {"unit": unit, "at_least": list(edges), "count": counts.tolist()}


def _tallies(tallies: dict[str, Tally]) -> dict[str, Any]:
    # By name: readers run ahead of encoders, so who counts first depends on how many there are.
    return {
        what: {"count": tally.count, "first": tally.first}
        for what, tally in sorted(tallies.items())
    }


def find_warnings(summary: dict[str, Any], validation_share: float) -> list[str]:
    """Return what the user should know before training on this."""
    found = []
    if summary["documents"] == 1:
        found.append(
            "the whole corpus is one document: next sentence prediction needs two; see "
            "--config.document_separator, or train without it"
        )
    elif summary["sentences_per_document"] < 2:
        found.append(
            f"{summary['sentences_per_document']:.1f} sentences a document: every next sentence "
            "label would be random; is there a blank line after every sentence?"
        )
    if validation_share and "validation" not in summary["splits"]:
        found.append("fewer than four documents: nothing is held out for validation")
    for what, tally in summary["changed"].items():
        if "UTF-8" in what:
            found.append(f"{tally['first']}: {what}: {tally['count']}")
    for reason, tally in summary["skipped"].items():
        found.append(f"{tally['first']}: skipped: {reason}; {tally['count']} such documents")
    if summary["unknown_share"] > 0.02:
        found.append(
            f"{summary['unknown_share']:.1%} of the tokens are [UNK]: the vocabulary does not "
            "fit this text"
        )
    return found
