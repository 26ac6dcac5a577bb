"""A lot of files, encoded by itself: its arrays in files, and what the plan of shards needs."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.data.corpus_statistics import Counts, LineCounter, Statistics
from bert_jax.data.documents import Source
from bert_jax.data.encoding import encode_group, group_documents, report_empty
from bert_jax.data.lines import ReadReport, Tally
from bert_jax.data.shards import TOKENIZER
from bert_jax.data.splitting import Extents, offsets
from bert_jax.data.workspace import Work

# What is kept of a lot, as raw numbers in files, beside its tokens in their own type.
_TYPES = {
    "sentence_lengths": np.dtype("u4"),  # tokens in each sentence
    "document_lengths": np.dtype("u4"),  # sentences in each document that has any
    "document_tokens": np.dtype("u4"),  # tokens in each of them
    "line_hashes": np.dtype("u8"),
}


@dataclass(frozen=True)
class EncodeLot(Work):
    """The work on one lot: read, group, encode. Holds one group in memory at a time."""

    number: int
    lot: Source
    id_type: str
    language: str
    max_sentence_characters: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"lots/{self.number:06d}"

    def do(self, folder: Path) -> dict[str, Any]:
        """Write the arrays; return what was counted, and the size of each group."""
        report, counts = ReadReport(), Counts()
        groups = []
        with ExitStack() as stack:
            files = {
                what: stack.enter_context((folder / what).open("wb"))
                for what in ("tokens", *_TYPES)
            }
            for group in group_documents(
                self.lot.documents(report),
                str(self.workspace.find(TOKENIZER)),
                self.language,
                self.max_sentence_characters,
            ):
                encoded = encode_group(group)
                report_empty(encoded, [document.place for document in group.documents], report)
                counts.count(encoded)
                arrays = {
                    "tokens": encoded.tokens.astype(self.id_type, copy=False),
                    "sentence_lengths": encoded.sentence_lengths,
                    "document_lengths": np.diff(encoded.extents.sentences),
                    "document_tokens": np.diff(encoded.extents.tokens),
                    "line_hashes": encoded.line_hashes,
                }
                for what, array in arrays.items():
                    kind = _TYPES.get(what, array.dtype)
                    files[what].write(np.ascontiguousarray(array, kind).data)
                groups.append([encoded.extents.documents, len(encoded.line_hashes)])
        return {
            "groups": groups,
            "report": asdict(report),
            "counts": {
                name: value.tolist() if isinstance(value, np.ndarray) else value
                for name, value in asdict(counts).items()
            },
        }


@dataclass(frozen=True)
class LotGroup:
    """A group of documents where it is in its lot."""

    lot: int
    first: int  # the number, in the lot, of the first document that has tokens
    extents: Extents  # counted from the lot's beginning


def read_groups(
    work: EncodeLot, values: dict[str, Any], statistics: Statistics
) -> Iterator[LotGroup]:
    """Yield the groups of a lot that was encoded, and count what was counted there.

    Args:
        work: the lot.
        values: its result.
        statistics: of the lots before it.
    """
    statistics.report.add(report_of(values["report"]))
    counts = Counts(**values["counts"])
    counts.sentence_lengths = np.array(counts.sentence_lengths)
    counts.document_lengths = np.array(counts.document_lengths)
    statistics.counts.add(counts)
    folder = work.workspace.find(work.name)
    _count_lines(folder, values["groups"], statistics.lines)
    extents = Extents(
        offsets(_read(folder, "document_lengths")), offsets(_read(folder, "document_tokens"))
    )
    first = 0
    for documents, _ in values["groups"]:
        yield LotGroup(work.number, first, extents.part(first, first + documents))
        first += documents


def open_lot(folder: Path, id_type: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Map a lot's tokens, sentence lengths and document lengths into memory."""
    kinds = {"tokens": np.dtype(id_type)} | _TYPES
    tokens, sentences, documents = (
        np.memmap(folder / what, kinds[what], mode="r")
        for what in ("tokens", "sentence_lengths", "document_lengths")
    )
    return tokens, sentences, documents


def _read(folder: Path, what: str) -> np.ndarray:
    return np.frombuffer((folder / what).read_bytes(), _TYPES[what])


def _count_lines(folder: Path, groups: list[list[int]], lines: LineCounter) -> None:
    """Count a lot's lines, group by group as on one host; reads none once enough are counted."""
    if lines.full:
        return
    with (folder / "line_hashes").open("rb") as file:
        for _, count in groups:
            data = file.read(count * _TYPES["line_hashes"].itemsize)
            lines.add(np.frombuffer(data, _TYPES["line_hashes"]))


def report_of(values: dict[str, Any]) -> ReadReport:
    """Return a report that was written as plain values."""
    report = ReadReport(**values)
    for name in ("skipped", "skipped_files", "notes"):
        tallies = {what: Tally(**tally) for what, tally in values[name].items()}
        setattr(report, name, tallies)
    return report
