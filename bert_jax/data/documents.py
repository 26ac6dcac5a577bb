"""Documents, and the parts that an input is made of."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from bert_jax.data.lines import ReadReport

# Applies a function to items, in order, perhaps in other processes.
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
_LOT_BYTES = 16_000_000  # of text: a few seconds of work


class Document(NamedTuple):
    """A text and what is known about it."""

    text: str  # paragraphs, or sentences, one a line
    place: str  # "file:line", for messages
    sentences_given: bool = False  # a line is a sentence and is not split further


class Part(Protocol):
    """One part of the input: a file, a dataset, the built-in corpus."""

    identity: tuple[str, int]  # name and size: what tells that the input is the same
    stored_bytes: int  # 0 where it is not known
    likely_text_bytes: int

    def documents(self, report: ReadReport, apply: Map) -> Iterator[Document]:
        """Yield the documents; a second call begins again."""
        ...


@dataclass(frozen=True)
class Source:
    """The whole input; can be read as often as one likes."""

    parts: tuple[Part, ...]
    decisions: tuple[str, ...]  # what 'auto' was taken for, in words
    longest: int  # characters, above which a document is cut

    @property
    def stored_bytes(self) -> int:
        """Size as stored, for progress."""
        return sum(part.stored_bytes for part in self.parts)

    @property
    def likely_text_bytes(self) -> int:
        """A guess of the size of the text."""
        return sum(part.likely_text_bytes for part in self.parts)

    def lots(self) -> Iterator["Source"]:
        """Yield runs of parts: what one process reads and encodes where there are several hosts.

        Documents are grouped within a lot on one host too, so the groups are the same everywhere.
        """
        lot: list[Part] = []
        size = 0
        for part in self.parts:
            lot.append(part)
            size += part.likely_text_bytes
            if size >= _LOT_BYTES:
                yield Source(tuple(lot), (), self.longest)
                lot, size = [], 0
        if lot:
            yield Source(tuple(lot), (), self.longest)

    def documents(self, report: ReadReport, apply: Map = map) -> Iterator[Document]:
        """Yield every document with text in it, long ones in parts."""
        for part in self.parts:
            for document in part.documents(report, apply):
                if not document.text or document.text.isspace():
                    report.skip("no text", document.place)
                    continue
                for piece in _cut(document, self.longest, report):
                    report.documents += 1
                    yield piece


def _cut(document: Document, most: int, report: ReadReport) -> Iterator[Document]:
    """Yield a document in parts of at most `most` characters, cut at a line's end or a blank."""
    text = document.text
    if len(text) > most:
        report.note("documents cut", document.place)
    while len(text) > most:
        end = max(text.rfind("\n", most // 2, most), 0) or max(text.rfind(" ", most // 2, most), 0)
        end = end or most
        if text[:end].strip():
            yield document._replace(text=text[:end])
        text = text[end:].lstrip()
    if text:
        yield document._replace(text=text)
