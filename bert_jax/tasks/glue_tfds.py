"""Rows of the GLUE benchmark from TensorFlow Datasets, read without TensorFlow."""

from typing import Any

from bert_jax.data.tfds_source import open_split
from bert_jax.tasks.table import TaskRow
from bert_jax.tasks.tabular import Row


def read_tfds_rows(row: TaskRow, split: str) -> list[Row]:
    """Return the rows of a split in the benchmark's order, which its predictions are numbered by.

    Raises:
        DataError: the dataset is not prepared here and cannot be fetched.
    """
    # They are stored in shuffled order.
    stored = sorted(open_split(row.tfds, split), key=lambda values: values["idx"])
    return [
        (
            f"tfds:{row.tfds}:{split}[{int(values['idx'])}]",
            {name: _cell(value, row, name) for name, value in values.items()},
        )
        for values in stored
    ]


def _cell(value: Any, row: TaskRow, name: str) -> Any:
    """Return a value as the benchmark's files have it; a label of -1 is one that is hidden."""
    if isinstance(value, bytes):
        return value.decode()
    if name != "label":
        return value
    if value == -1:
        return None
    return float(value) if row.head == "regression" else row.written_labels[value]
