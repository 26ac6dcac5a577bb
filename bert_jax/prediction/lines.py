"""Lines that a model is asked: plain text or JSON, of a file or as they come through a pipe."""

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from bert_jax.data.lines import ReadReport, clean_text, read_lines
from bert_jax.errors import DataError
from bert_jax.tasks.examples import Example, Question, TaggedSentence

STANDARD_STREAM = "-"
LINES_AT_A_TIME = 256
_BLOCK = 1 << 16  # bytes, at most, that are taken from a pipe at a time


@dataclass(frozen=True)
class Line:
    """What a line says, by field; plain text is the field "text".

    Attributes:
        place: where it stands, for messages: "reviews.txt:17".
    """

    place: str
    fields: dict[str, Any]

    def text(self, name: str) -> str:
        """Return a field that has to be there.

        Raises:
            DataError: it is not, or is no text.
        """
        value = self.fields.get(name)
        if name not in self.fields:
            there = ", ".join(list(self.fields)[:20]) or "none"
            raise DataError(
                f"{self.place}: no field {name!r}, there is {there}; "
                f'wants JSON with {{"{name}": ...}}'
            )
        if not isinstance(value, str):
            raise DataError(f"{self.place}: {name!r} is {_show(value)}, wants a text")
        return value

    def as_example(self) -> Example:
        """Read a text, or a pair."""
        pair = None if self.fields.get("text_pair") is None else self.text("text_pair")
        return Example(self.place, self.text("text"), pair, None)

    def as_pair(self) -> Example:
        """Read a pair."""
        return Example(self.place, self.text("text"), self.text("text_pair"), None)

    def as_question(self) -> Question:
        """Read a question and the text to find its answer in."""
        return Question(self.place, self.text("question"), self.text("context"), (), False)

    def as_sentence(self) -> TaggedSentence:
        """Read words; a text is split at blanks."""
        words = self.fields.get("words")
        if words is None:
            words = self.text("text").split()
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise DataError(f"{self.place}: 'words' is {_show(words)}, wants a list of texts")
        return TaggedSentence(self.place, tuple(words), None)


def check_source(source: str) -> None:
    """Refuse a file that is not there, before a model is loaded for it."""
    if source != STANDARD_STREAM and not Path(source).exists():
        raise DataError(f"{source}: no such file; wants lines of text or JSON, or - for a pipe")


def read_chunks(source: str, report: ReadReport) -> Iterator[list[Line]]:
    """Yield lines in order, some at a time; those of a pipe as soon as they are there.

    Args:
        source: a file, which may be gzip; or "-" for standard input.
        report: is told what was changed.

    Raises:
        DataError: the file cannot be read, or a line begins like JSON and is not.
    """
    for numbered in _numbered(source, report):
        name = "standard input" if source == STANDARD_STREAM else source
        yield [_parse(text, f"{name}:{number}", report) for number, text in numbered]


def _numbered(source: str, report: ReadReport) -> Iterator[list[tuple[int, str]]]:
    path = Path(source)
    if source == STANDARD_STREAM:
        yield from _read_pipe(sys.stdin.buffer)  # type: ignore[arg-type]
    elif path.exists() and not path.is_file() and not path.is_dir():
        with open(path, "rb") as pipe:
            yield from _read_pipe(pipe)
    else:
        lines = read_lines(path, report)
        while chunk := list(itertools.islice(lines, LINES_AT_A_TIME)):
            yield chunk


def _read_pipe(pipe: BufferedReader) -> Iterator[list[tuple[int, str]]]:
    """Yield numbered lines as they come, so that who writes one is answered before the next."""
    number, rest = 1, b""
    while True:
        block = pipe.read1(_BLOCK)
        lines = (rest + block).split(b"\n")
        rest = lines.pop() if block else b""
        if not block and lines == [b""]:
            return
        # What is not UTF-8 becomes lone surrogates, which `clean_text` replaces and counts.
        texts = [line.removesuffix(b"\r").decode("utf-8", "surrogateescape") for line in lines]
        for start in range(0, len(texts), LINES_AT_A_TIME):
            chunk = texts[start : start + LINES_AT_A_TIME]
            yield list(enumerate(chunk, number))
            number += len(chunk)
        if not block:
            return


def _parse(text: str, place: str, report: ReadReport) -> Line:
    text = text.removeprefix("\ufeff")
    if not text.lstrip().startswith("{"):
        return Line(place, {"text": clean_text(text, place, report)})
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = (
            f"{error.msg}, column {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else "not readable"
        )
        raise DataError(
            f"{place}: begins with {{ but is not JSON ({reason}); a text that begins so has to be "
            'written as {"text": ...}'
        ) from None
    return Line(place, {name: _clean(value, place, report) for name, value in fields.items()})


def _clean(value: Any, place: str, report: ReadReport) -> Any:
    if isinstance(value, str):
        return clean_text(value, place, report)
    if isinstance(value, list):
        return [_clean(item, place, report) for item in value]
    return value


def _show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:40]
