"""Tagged sentences from files in CoNLL form: a word a line, a blank line after each sentence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern

from bert_jax.data.lines import ReadReport, read_lines
from bert_jax.errors import ConfigError, DataError
from bert_jax.tasks.examples import TaggedSentence
from bert_jax.tasks.schemes import SCHEMES, convert_tags, detect_scheme, find_break, is_tag

_BLANKS = re.compile("[ \t]+")
_DOCUMENT = "-DOCSTART-"
_NO_WORD = "\ufffd"  # stands where a word had nothing but control characters


@dataclass(frozen=True)
class ConllFormat:
    """How the lines of a file are to be read; columns count from 0, or from the end from -1."""

    word_column: int = 0
    tag_column: int = -1
    separator: str = "blank"  # 'blank': any number of blanks and tabs; 'tab': each tab
    comment: str = ""  # lines that begin so are left out, before a sentence only; "": none are
    scheme: str = "auto"  # 'iob1' | 'iob2' | 'iobes' | 'auto': the one that fits best
    broken_tags: str = "error"  # 'error' | 'repair': read them as the CoNLL scorer does, count

    def __post_init__(self) -> None:
        choices = {
            "separator": ("blank", "tab"),
            "scheme": ("auto", *SCHEMES),
            "broken_tags": ("error", "repair"),
        }
        for name, values in choices.items():
            if getattr(self, name) not in values:
                raise ConfigError(
                    f"{name}: got {getattr(self, name)!r}, wants one of {', '.join(values)}"
                )


def read_conll(
    path: Path,
    format: ConllFormat,
    report: ReadReport,
    *,
    target_scheme: str = "iob2",
    tagged: bool = True,
) -> list[TaggedSentence]:
    """Read the sentences of a file, plain or gzip.

    Args:
        path: the file.
        format: how it is written.
        report: what was changed on the way is noted in it.
        target_scheme: in which the tags are returned, whatever the file's own.
        tagged: False where the tags are hidden, as in a test set.

    Raises:
        DataError: unreadable, uneven or empty, or a tag that is none or breaks its scheme.
    """
    sentences = list(_read_sentences(path, format, report, tagged))
    if not sentences:
        raise DataError(f"{path}: no sentence in it; wants a word a line and blank lines between")
    if tagged:
        own = format.scheme
        if own == "auto":
            own = detect_scheme(sentence.tags for sentence in sentences)
        for sentence in sentences:
            at = find_break(sentence.tags, own)
            if at is not None:
                _report_break(sentence, at, own, path, format, report)
            if at is not None or own != target_scheme:
                sentence.tags = convert_tags(sentence.tags, target_scheme)
    return [
        TaggedSentence(f"{path}:{s.line}", tuple(s.words), tuple(s.tags) if tagged else None)
        for s in sentences
    ]


def has_tags(path: Path, format: ConllFormat) -> bool:
    """Tell whether a file has more columns than one; a test set may have its words alone."""
    for _, line in read_lines(path, ReadReport()):
        commented = format.comment and line.startswith(format.comment)
        if line.strip(" \t") and not commented and not line.startswith(_DOCUMENT):
            return len(_split(line, format.separator)) > 1
    return False


@dataclass
class _Sentence:
    """Words on consecutive lines, the first of them on `line`."""

    line: int
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


def _read_sentences(
    path: Path, format: ConllFormat, report: ReadReport, tagged: bool
) -> Iterator[_Sentence]:
    """Yield sentences with their tags as they stand."""
    columns = 0  # of the first line; every line must have as many
    pending = _Sentence(0)
    for number, line in read_lines(path, report):
        blank = not line.strip(" \t")
        if blank or line.startswith(_DOCUMENT):
            if pending.words:
                yield pending
            pending = _Sentence(0)
            continue
        if format.comment and not pending.words and line.startswith(format.comment):
            continue
        place = f"{path}:{number}"
        fields = _split(line, format.separator)
        columns = columns or len(fields)
        if len(fields) != columns:
            raise DataError(
                f"{place}: {len(fields)} columns, the lines before have {columns} (separator="
                f"{format.separator!r}): {line[:60]!r}"
            )
        if not pending.words:
            pending.line = number
        pending.words.append(intern(_word_of(fields, format.word_column, place, report)))
        if tagged:
            pending.tags.append(intern(_tag_of(fields, format, place)))
    if pending.words:
        yield pending


def _split(line: str, separator: str) -> list[str]:
    return line.split("\t") if separator == "tab" else _BLANKS.split(line.rstrip(" \t"))


def _word_of(fields: list[str], column: int, place: str, report: ReadReport) -> str:
    word = _column(fields, column, place)
    if not word:
        report.note(f"words without a character, read as {_NO_WORD}", place)
    return word or _NO_WORD


def _tag_of(fields: list[str], format: ConllFormat, place: str) -> str:
    tag = _column(fields, format.tag_column, place).strip(" ")
    columns = range(len(fields))
    if columns[format.tag_column] == columns[format.word_column]:
        raise DataError(f"{place}: word and tag from one column of {len(fields)}: {tag[:60]!r}")
    known = "iobes" if format.scheme == "auto" else format.scheme  # iobes has every prefix
    if not is_tag(tag, known):
        wanted = ", ".join(f"{prefix}-" for prefix in SCHEMES[known])
        raise DataError(
            f"{place}: {tag[:60]!r} is not a tag; wants O, or one of {wanted} and a type "
            f"(scheme={format.scheme!r})"
        )
    return tag


def _column(fields: list[str], column: int, place: str) -> str:
    try:
        return fields[column]
    except IndexError:
        raise DataError(f"{place}: no column {column}, the line has {len(fields)}") from None


def _report_break(
    sentence: _Sentence, at: int, scheme: str, path: Path, format: ConllFormat, report: ReadReport
) -> None:
    """Note a broken scheme, or refuse it."""
    place = f"{path}:{sentence.line + at}"
    if format.broken_tags == "repair":
        report.note(f"sentences whose tags break {scheme}, read as the CoNLL scorer does", place)
        return
    before = sentence.tags[at - 1] if at else "the start of a sentence"
    tag = sentence.tags[at] if at < len(sentence.tags) else "the end of a sentence"
    raise DataError(
        f"{place}: {tag} after {before} breaks {scheme}; correct it, name the file's scheme "
        "(scheme), or have such tags read as the CoNLL scorer does (broken_tags='repair')"
    )
