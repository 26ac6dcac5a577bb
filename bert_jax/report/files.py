"""JSON as a run leaves it: files may be missing, cut short, or not what was expected."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_json(path: Path, problems: list[str]) -> Any:
    """Read a JSON file; None if it is missing or, with a line in `problems`, unreadable."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{path.name} cannot be read and is left out: {_reason(error)}.")
        return None


def read_lines(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    """Read the objects of a JSONL file, without a last line that is still being written."""
    return list(each_line(path, problems))


def each_line(path: Path, problems: list[str]) -> Iterator[dict[str, Any]]:
    """Give the objects that `read_lines` reads one by one, however many they are."""
    damaged = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                value = _object(line)
                if value is not None:
                    yield value
                elif line.strip() and line.endswith(b"\n"):  # else it is a write cut short
                    damaged.append(number)
    except FileNotFoundError:
        return
    except OSError as error:
        problems.append(f"{path.name} cannot be read and is left out: {_reason(error)}.")
    if len(damaged) == 1:
        problems.append(f"{path.name}: line {damaged[0]} is damaged and left out.")
    elif damaged:
        problems.append(
            f"{path.name}: {len(damaged):,} lines are damaged and left out, the first is line "
            f"{damaged[0]:,}."
        )


def as_dict(value: Any) -> dict[str, Any]:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return the value if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def as_number(value: Any) -> float | None:
    """Return a finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_count(value: Any) -> int | None:
    """Return a whole number, or None for anything else."""
    number = as_number(value)
    return None if number is None else int(number)


def as_text(value: Any) -> str:
    """Return text as it is, nothing as nothing, and anything else as its JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the values of nested objects by dotted names; an empty object is a value."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
