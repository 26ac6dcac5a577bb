"""Labels: classes by name or by index, and values."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from bert_jax.errors import DataError
from bert_jax.tasks.examples import Example

_SHOWN = 20  # labels in a message


def find_labels(examples: Sequence[Example]) -> tuple[str, ...]:
    """Return the classes that occur, sorted; numbers by their value."""
    found = {str(example.label) for example in examples if example.label is not None}
    if all(re.fullmatch(r"-?\d{1,18}", label) for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found))


def label_index(label: str, labels: Sequence[str], place: str) -> int:
    """Return a class's index.

    Raises:
        DataError: there is no such class.
    """
    try:
        return labels.index(label)
    except ValueError:
        known = ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
        raise DataError(f"{place}: unknown label {label!r}; the labels are {known}") from None


def label_text(cell: Any, place: str) -> str | None:
    """Return a class's name as a cell gives it, None where the cell is empty.

    Raises:
        DataError: it is a list or an object.
    """
    if isinstance(cell, list | dict):
        raise DataError(f"{place}: the label is a {type(cell).__name__}; wants one text or number")
    if cell is None:
        return None
    text = cell.strip() if isinstance(cell, str) else json.dumps(cell)
    return text or None


def label_value(text: str, place: str) -> float:
    """Return a value.

    Raises:
        DataError: it is not a number, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{place}: the label is {text[:40]!r}; regression wants a number")
    return value
