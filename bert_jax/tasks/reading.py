"""Rows to examples: what every source of texts with labels has in common."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bert_jax.data.lines import ReadReport
from bert_jax.errors import DataError
from bert_jax.tasks.examples import Example
from bert_jax.tasks.labels import label_index, label_text, label_value
from bert_jax.tasks.table import Columns, TaskRow
from bert_jax.tasks.tabular import Row


@dataclass(frozen=True)
class TaskData:
    """A task's examples by split, and what a user should hear about how they were read."""

    row: TaskRow
    splits: dict[str, list[Example]]
    notes: tuple[str, ...] = ()

    def split(self, name: str) -> list[Example]:
        """Return the examples of a split.

        Raises:
            DataError: the task has none of this name, or its file was not there.
        """
        if name not in self.splits:
            names = ", ".join(self.splits)
            raise DataError(f"{self.row.name}: no {name} split was found; there are {names}")
        return self.splits[name]


def read_examples(
    rows: Iterable[Row], row: TaskRow, columns: Columns, split: str, source: str
) -> list[Example]:
    """Return the examples of a split; labels may be missing in a test split only.

    Args:
        rows: of a table.
        row: the task; without `labels` any label is taken.
        columns: their names in this source.
        split: 'train', 'validation', 'test' or one of these with an ending.
        source: a file or dataset, for messages.

    Raises:
        DataError: a column or a label is missing or cannot be used, or there are no rows.
    """
    hidden = split.startswith("test")
    examples = list(_examples(rows, row, columns, hidden))
    if not examples:
        raise DataError(f"{source}: no rows to read; the {split} split is empty")
    return examples


def describe_oddities(report: ReadReport) -> tuple[str, ...]:
    """Return a line for each kind of thing that reading changed or left out."""
    return tuple(
        f"{what}: {tally.count}, the first at {tally.first}" for what, tally in report.notes.items()
    )


def _examples(
    rows: Iterable[Row], row: TaskRow, columns: Columns, hidden: bool
) -> Iterator[Example]:
    for place, values in rows:
        text = _text(values, columns.text, place)
        pair = None if columns.pair is None else _text(values, columns.pair, place)
        label = None
        if not hidden or columns.label in values:
            label = _label(_cell(values, columns.label, place), row, place)
        if label is None and not hidden:
            raise DataError(f"{place}: no label in column {columns.label!r}")
        yield Example(place, text, pair, label)


def _cell(values: dict[str, Any], column: str, place: str) -> Any:
    if column not in values:
        raise DataError(f"{place}: no column {column!r}; there are {', '.join(values) or 'none'}")
    return values[column]


def _text(values: dict[str, Any], column: str, place: str) -> str:
    text = _cell(values, column, place)
    if not isinstance(text, str):
        kind = "empty" if text is None else f"a {type(text).__name__}"
        raise DataError(f"{place}: column {column!r} is {kind}; wants a text")
    return text


def _label(cell: Any, row: TaskRow, place: str) -> str | float | None:
    text = label_text(cell, place)
    if text is None:
        return None
    if row.head == "regression":
        return label_value(text, place)
    if row.labels is None:
        return text
    return row.labels[label_index(text, row.written_labels, place)]
