"""Documents from a file of prose, of sentences or of JSON lines."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from bert_jax.data.documents import Document, Map
from bert_jax.data.lines import ReadReport, clean_text, read_lines
from bert_jax.data.remote import RemoteFile
from bert_jax.errors import DataError

_HOPELESS = 1_000  # bad JSON lines without a good one, after which a file is given up
_CJK = "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef"
_CJK_BREAK = re.compile(f"(?<=[{_CJK}]) (?=[{_CJK}])")


class TextFile:
    """A file of prose, of sentences or of JSON lines."""

    def __init__(
        self,
        path: Path | RemoteFile,
        format: str,
        text_field: str,
        separator: str,
        longest: int,
    ):
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
