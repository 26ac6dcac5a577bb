"""Rows of TSV, CSV and JSON files, each with the place it stands at."""

import csv
import json
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from bert_jax.data.lines import ReadReport, clean_text, read_lines
from bert_jax.errors import ConfigError, DataError

Row = tuple[str, dict[str, Any]]  # the place, and values by column: text, or whatever JSON holds
Record = tuple[int, list[str]]  # the line's number, and its cells

FORMATS = {".tsv": "tsv", ".txt": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".json": "json"}
_MOST_LINES = 200  # of a quoted cell; a quote open for longer was none
_LONGEST_CELL = 16 << 20  # characters


def read_rows(
    path: Path,
    report: ReadReport,
    *,
    format: str = "auto",
    delimiter: str = "",
    header: Sequence[str] = (),
    ragged: Literal["refuse", "count"] = "refuse",
) -> Iterator[Row]:
    """Yield the rows of a file, gzip or not; blank lines are no rows.

    Args:
        path: the file.
        report: where what is odd is counted.
        format: 'tsv' (a quote is a character like any other), 'csv' (quotes hold cells together),
            'jsonl' (an object a line), 'json' (one list or object of objects), or 'auto', by the
            name's end.
        delimiter: between cells; "" is a tab for TSV, for CSV what the first line has most of.
        header: the columns, where the first line is a row already.
        ragged: what becomes of a row with fewer or more cells than columns: an error; or it is
            counted and, with fewer, left out.

    Raises:
        DataError: the file cannot be read, is not of this format, or has a ragged row.
        ConfigError: there is no such format.
    """
    format = _format_of(path) if format == "auto" else format
    if format == "jsonl":
        return _read_json_lines(path, report)
    if format == "json":
        return _read_json(path, report)
    if format not in FORMATS.values():
        raise ConfigError(f"format: got {format!r}, wants auto, tsv, csv, jsonl or json")
    lines = read_lines(path, report)
    if format == "tsv":
        cut = delimiter or "\t"
        records = ((number, line.split(cut)) for number, line in lines if line.strip())
    else:
        records = _split_quoted(lines, path, report, delimiter, len(header))
    return _name_cells(records, path, report, header, ragged)


def _format_of(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    format = FORMATS.get(Path(name).suffix.lower())
    if format is None:
        raise DataError(
            f"{path}: the name does not tell the format; call it {', '.join(FORMATS)}, or set "
            "format to tsv, csv, jsonl or json"
        )
    return format


def _name_cells(
    records: Iterator[Record],
    path: Path,
    report: ReadReport,
    header: Sequence[str],
    ragged: Literal["refuse", "count"],
) -> Iterator[Row]:
    """Yield rows by column."""
    columns = [name.strip() for name in header or next(records, (0, []))[1]]
    twice = {name for name in columns if columns.count(name) > 1 and name}
    if twice:
        raise DataError(f"{path}: two columns are called {min(twice)!r}; rename one")
    for number, cells in records:
        place = f"{path}:{number}"
        if len(cells) != len(columns):
            if ragged == "refuse":
                raise DataError(
                    f"{place}: {len(cells)} cells, but {len(columns)} columns "
                    f"({', '.join(columns)}); is there a delimiter within a text, or a line's end?"
                )
            if len(cells) < len(columns):
                report.note("rows with too few cells left out", place)
                continue
            report.note("cells beyond the last column ignored", place)
        yield place, dict(zip(columns, cells, strict=False))


def _split_quoted(
    lines: Iterator[tuple[int, str]],
    path: Path,
    report: ReadReport,
    delimiter: str,
    columns: int,
) -> Iterator[Record]:
    """Yield records of CSV; where quotes do not add up, the line as it stands.

    A stray quote would otherwise swallow rows up to the next one.
    """
    csv.field_size_limit(_LONGEST_CELL)
    waiting: deque[tuple[int, str]] = deque()
    while first := waiting.popleft() if waiting else next(lines, None):
        number, line = first
        if not line.strip():
            continue
        delimiter = delimiter or max(",;\t", key=line.count)
        taken = [first]

        def pull(taken: list[tuple[int, str]] = taken) -> Iterator[str]:
            yield taken[0][1] + "\n"
            while len(taken) < _MOST_LINES:
                following = waiting.popleft() if waiting else next(lines, None)
                if following is None:
                    return
                taken.append(following)
                yield following[1] + "\n"

        try:
            cells = next(csv.reader(pull(), delimiter=delimiter, strict=True))
        except csv.Error:
            cells = []
        columns = columns or len(cells)
        if not cells or (len(taken) > 1 and len(cells) != columns):
            report.note("lines with an unbalanced quote read as they stand", f"{path}:{number}")
            cells = line.split(delimiter)
            waiting.extendleft(reversed(taken[1:]))
        yield number, cells


def _read_json_lines(path: Path, report: ReadReport) -> Iterator[Row]:
    for number, line in read_lines(path, report):
        if line.strip():
            place = f"{path}:{number}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                raise DataError(f"{place}: not JSON; the line begins {line[:40]!r}") from None
            yield place, _clean_object(value, place, report)


def _read_json(path: Path, report: ReadReport) -> Iterator[Row]:
    text = "\n".join(line for _, line in read_lines(path, report))
    try:
        document = json.loads(text)
    except RecursionError:
        raise DataError(f"{path}: nested too deeply") from None
    except json.JSONDecodeError as error:
        hint = "; set format=jsonl for an object a line" if error.msg == "Extra data" else ""
        raise DataError(f"{path}:{error.lineno}: not JSON ({error.msg}){hint}") from None
    except ValueError as error:  # a number of thousands of digits
        raise DataError(f"{path}: not JSON that can be read ({error})") from None
    if isinstance(document, list):
        document = dict(enumerate(document))
    if not isinstance(document, dict):
        raise DataError(f"{path}: wants a list of objects, got a {type(document).__name__}")
    for key, value in document.items():
        place = f"{path}[{key}]"
        yield place, _clean_object(value, place, report)


def _clean_object(value: Any, place: str, report: ReadReport) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{place}: wants an object, got a {type(value).__name__}")
    return {k: clean_text(v, place, report) if isinstance(v, str) else v for k, v in value.items()}
