"""Input patterns to a stream of documents, each with the place that it came from."""

import glob
import re
from pathlib import Path

from bert_jax.data.documents import Document, Part, Source
from bert_jax.data.lines import ReadReport, read_lines
from bert_jax.data.remote import RemoteFile, find_remote, is_remote
from bert_jax.data.text_file import TextFile
from bert_jax.errors import ConfigError, DataError

__all__ = ["Document", "Source", "find_files", "open_source"]
FORMATS = ("auto", "text", "sentences", "jsonl", "tfds", "builtin")
SEPARATORS = ("auto", "file", "blank_line")
_SENTENCE_END = re.compile(r"[.!?…。！？．][\"'”’»）)\]」』]*$")
_INNER_END = re.compile(r"[.!?][\"'”’)]* +[A-Z]|[。！？][”’」』]?[^”’」』\s]")


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
        patterns: globs, files or folders, on file systems or by URL, `tfds:NAME` and `builtin`,
            separated by commas.
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
    files: dict[Path | RemoteFile, None] = {}  # each once, in order
    for item in _items(patterns):
        if item == "builtin" or (format == "builtin" and not item):
            from bert_jax.data.builtin import BuiltinCorpus

            parts.append(BuiltinCorpus())
        elif item.startswith("tfds:") or format == "tfds":
            from bert_jax.data.tfds_source import TfdsDataset

            parts.append(TfdsDataset(item.removeprefix("tfds:"), text_field))
        else:
            files |= dict.fromkeys(find_remote(item) if is_remote(item) else find_files(item))
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


def _by_ending(path: Path | RemoteFile) -> str:
    name = path.name.removesuffix(".gz")
    return "jsonl" if name.endswith((".jsonl", ".json", ".ndjson")) else "text"


def _looks_like_sentences(path: Path | RemoteFile) -> bool:
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
