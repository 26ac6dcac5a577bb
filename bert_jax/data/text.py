"""Input patterns to a stream of documents, each with the place that it came from."""

import glob
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bert_jax.data.lines import ReadReport, clean_text, read_lines
from bert_jax.errors import ConfigError, DataError

FORMATS = ("auto", "text", "sentences", "jsonl", "tfds", "builtin")
SEPARATORS = ("auto", "file", "blank_line")
_HOPELESS = 1_000  # bad JSON lines without a good one, after which a file is given up
_CJK = "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef"
_CJK_BREAK = re.compile(f"(?<=[{_CJK}]) (?=[{_CJK}])")
_SENTENCE_END = re.compile(r"[.!?…。！？．][\"'”’»）)\]」』]*$")
_INNER_END = re.compile(r"[.!?][\"'”’)]* +[A-Z]|[。！？][”’」』]?[^”’」』\s]")

# Applies a function to items, in order, perhaps in other processes.
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


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


def open_source(
    patterns: str,
    *,
    format: str,
    text_field: str,
    document_separator: str,
    max_document_characters: int,
) -> Source:
    """Find the input and decide how it is to be read.

    Args:
        patterns: globs, files or folders, `tfds:NAME` and `builtin`, separated by commas.
        format: one of FORMATS; 'auto' goes by prefix, ending and the first lines.
        text_field: where the text is in an object of JSON or TFDS.
        document_separator: one of SEPARATORS, for format 'text'.
        max_document_characters: above which a document is cut into several.

    Raises:
        DataError: a pattern matches nothing.
        ConfigError: a value is none of those possible.
    """
    _check_choice("format", format, FORMATS)
    _check_choice("document_separator", document_separator, SEPARATORS)
    parts: list[Part] = []
    files: list[Path] = []
    for item in _items(patterns):
        if item == "builtin" or (format == "builtin" and not item):
            from bert_jax.data.builtin import BuiltinCorpus

            parts.append(BuiltinCorpus())
        elif item.startswith("tfds:") or format == "tfds":
            from bert_jax.data.tfds_source import TfdsDataset

            parts.append(TfdsDataset(item.removeprefix("tfds:"), text_field))
        else:
            files += [file for file in find_files(item) if file not in files]
    formats = {file: _by_ending(file) if format in ("auto", "tfds") else format for file in files}
    prose = [file for file in files if formats[file] == "text"]
    decisions = []
    if format == "auto" and prose and _looks_like_sentences(prose[0]):
        formats.update(dict.fromkeys(prose, "sentences"))
        decisions.append(
            f"{prose[0]}: read as one sentence a line, blank lines between documents; "
            "--config.format=text if it is not"
        )
        prose = []
    if document_separator == "auto":
        document_separator = "file" if len(prose) > 1 else "blank_line"
        if prose:
            what = {
                "file": f"each of {len(prose)} files is a document",
                "blank_line": "blank lines separate documents",
            }[document_separator]
            other = "blank_line" if document_separator == "file" else "file"
            decisions.append(
                f"{prose[0]}: read as prose, {what}; --config.document_separator={other} or "
                "--config.format=sentences if not"
            )
    parts += [
        TextFile(file, formats[file], text_field, document_separator, max_document_characters)
        for file in files
    ]
    return Source(tuple(parts), tuple(decisions), max_document_characters)


def find_files(pattern: str) -> list[Path]:
    """Return the files that a glob, a file's or a folder's name stands for, sorted."""
    path = Path(pattern).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [p for p in sorted(path.rglob("*")) if p.is_file()]
        found = [p for p in found if not any(x[0] == "." for x in p.relative_to(path).parts)]
        problem = "the folder holds no file"
    else:
        found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        found = [p for p in found if p.is_file()]
        problem = "no file matches"
    if not found:
        raise DataError(f"{pattern}: {problem}; --config.input wants files, folders or globs")
    return found


class TextFile:
    """A file of prose, of sentences or of JSON lines."""

    def __init__(self, path: Path, format: str, text_field: str, separator: str, longest: int):
        self.path = path
        self.format = format
        self.stored_bytes = path.stat().st_size
        self.likely_text_bytes = self.stored_bytes * (3 if path.suffix == ".gz" else 1)
        self.identity = (str(path), self.stored_bytes)
        self._text_field = text_field
        self._separator = separator
        self._longest = longest

    def documents(self, report: ReadReport, apply: Map) -> Iterator[Document]:
        """Yield the documents of the file."""
        end = report.position + self.stored_bytes
        if self.stored_bytes == 0:
            report.skip_file("empty file", str(self.path))
            return
        yield from self._read_jsonl(report) if self.format == "jsonl" else self._read_text(report)
        report.position = end

    def _read_text(self, report: ReadReport) -> Iterator[Document]:
        """Yield blocks of lines, or the whole file, as documents."""
        sentences = self.format == "sentences"
        whole_file = not sentences and self._separator == "file"
        paragraphs: list[str] = []
        lines: list[str] = []
        size = 0
        first = 1

        def finish_paragraph() -> None:
            if lines:
                paragraphs.append("\n".join(lines) if sentences else join_lines(lines))
                lines.clear()

        def finish_document() -> Iterator[Document]:
            nonlocal size
            finish_paragraph()
            if paragraphs:
                place = f"{self.path}:{first}"
                yield Document("\n".join(paragraphs), place, sentences)
                paragraphs.clear()
            size = 0

        empty = True
        for number, line in read_lines(self.path, report):
            stripped = line.strip()
            if stripped:
                if not size:
                    first = number
                if size and size + len(stripped) > self._longest:
                    report.note("documents cut", f"{self.path}:{first}")
                    yield from finish_document()
                    first = number
                lines.append(stripped)
                size += len(stripped) + 1
                empty = False
            elif whole_file:
                finish_paragraph()
            else:
                yield from finish_document()
        yield from finish_document()
        if empty:
            report.skip_file("no text in the file", str(self.path))

    def _read_jsonl(self, report: ReadReport) -> Iterator[Document]:
        """Yield the text of each line's object."""
        good = bad = 0
        problem = place = ""
        for number, line in read_lines(self.path, report):
            if not line or line.isspace():
                continue
            here = f"{self.path}:{number}"
            text, reason = self._text_of(line)
            if text is None:
                report.skip(reason.split(";")[0], here)
                bad += 1
                if bad == 1:
                    problem, place = reason, here
                if not good and bad >= _HOPELESS:
                    break
                continue
            good += 1
            yield Document(clean_text(text, here, report), here)
        if bad and not good:
            raise DataError(
                f"{place}: {problem}; no line of the file could be used (--config.text_field="
                f"{self._text_field}, one JSON object a line)"
            )
        if not good:
            report.skip_file("no text in the file", str(self.path))

    def _text_of(self, line: str) -> tuple[str | None, str]:
        """Return the text, or None and what is wrong."""
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return None, f"not JSON; the line begins {line[:40]!r}"
        if not isinstance(value, dict):
            return None, f"not a JSON object; got a {type(value).__name__}"
        if self._text_field not in value:
            fields = ", ".join(list(value)[:20]) or "none"
            return None, f"no field {self._text_field!r}; its fields are {fields}"
        text = value[self._text_field]
        if not isinstance(text, str):
            return None, f"field {self._text_field!r} is not a string; got {str(text)[:40]}"
        return text, ""


def join_lines(lines: list[str]) -> str:
    """Join the lines of a paragraph: with a blank, but with nothing between CJK characters."""
    text = " ".join(lines)
    return text if text.isascii() or len(lines) == 1 else _CJK_BREAK.sub("", text)


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


def _items(patterns: str) -> list[str]:
    if Path(patterns).exists():  # a name with a comma in it
        return [patterns]
    items = [item.strip() for item in patterns.split(",")]
    items = [item for item in items if item]
    if not items:
        raise ConfigError(
            "config.input: empty; name files, folders or globs, 'tfds:NAME' or 'builtin'"
        )
    return items


def _by_ending(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return "jsonl" if name.endswith((".jsonl", ".json", ".ndjson")) else "text"


def _looks_like_sentences(path: Path) -> bool:
    """Say whether a file is blocks of lines that mostly are one sentence each."""
    lines = blocks = ends = several = 0
    inside = False
    for _, line in read_lines(path, ReadReport()):
        line = line.strip()
        if not line:
            inside = False
            continue
        blocks += not inside
        inside = True
        lines += 1
        ends += bool(_SENTENCE_END.search(line))
        several += bool(_INNER_END.search(line))
        if lines >= 200:
            break
    return blocks >= 2 and lines >= 2 * blocks and ends >= 0.7 * lines and several < 0.5 * lines


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"config.{name}: got {value!r}, wants one of {', '.join(choices)}")
