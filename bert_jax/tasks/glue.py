"""Read a task of the GLUE benchmark from its own TSV files or from TensorFlow Datasets."""

from collections.abc import Iterator
from pathlib import Path

from bert_jax.data.lines import ReadReport
from bert_jax.errors import DataError
from bert_jax.tasks.examples import Example
from bert_jax.tasks.glue_tfds import read_tfds_rows
from bert_jax.tasks.reading import TaskData, describe_oddities, read_examples
from bert_jax.tasks.table import TaskRow
from bert_jax.tasks.tabular import Row, read_rows

_PARAPHRASES = "msr_paraphrase_train.txt"
_DEV_IDS = "dev_ids.tsv"


def read_task(row: TaskRow, path: str) -> TaskData:
    """Read the splits of a task that are there.

    Args:
        row: a row of the table with columns.
        path: "tfds"; or a folder with the files, or with the task's folder; plain or gzip.

    Raises:
        DataError: nothing is there, or it cannot be used.
    """
    assert row.columns is not None
    if path == "tfds":
        return _read_tfds(row)
    report = ReadReport()
    folder = Path(path) / row.folder if (Path(path) / row.folder).is_dir() else Path(path)
    files = _find_files(row, folder)
    splits = {}
    if "validation" not in files and files.get("train", folder).name.startswith(_PARAPHRASES):
        splits = _split_paraphrases(row, files.pop("train"), report)
    for split, file in files.items():
        rows = _rows(file, row, split, report)
        splits[split] = read_examples(rows, row, row.columns, split, str(file))
    return TaskData(row, splits, describe_oddities(report))


def _read_tfds(row: TaskRow) -> TaskData:
    columns = row.tfds_columns or row.columns
    assert columns is not None
    splits = {
        split: read_examples(read_tfds_rows(row, split), row, columns, split, f"tfds:{row.tfds}")
        for split in row.files
    }
    return TaskData(row, splits)


def _find_files(row: TaskRow, folder: Path) -> dict[str, Path]:
    """Return the file of each split that is there."""
    found = {}
    for split, names in row.files.items():
        candidates = (folder / f"{name}{end}" for name in names for end in ("", ".gz"))
        file = next((file for file in candidates if file.is_file()), None)
        if file is not None:
            found[split] = file
    if not found:
        wanted = ", ".join(name for names in row.files.values() for name in names)
        raise DataError(f"{folder}: no files of {row.name} there; looked for {wanted}")
    return found


def _rows(file: Path, row: TaskRow, split: str, report: ReadReport) -> Iterator[Row]:
    # Some questions of QQP hold a line's end, so their rows are in pieces. Test rows are numbered
    # in the predictions, so none of them may be left out.
    test = split.startswith("test")
    header = () if test else row.header
    ragged = "refuse" if test else "count"
    return read_rows(file, report, format="tsv", header=header, ragged=ragged)


def _split_paraphrases(row: TaskRow, file: Path, report: ReadReport) -> dict[str, list[Example]]:
    """Divide Microsoft's training file of paraphrases as the benchmark does, by a list of ids."""
    assert row.columns is not None
    ids = next(
        (p for p in (file.with_name(_DEV_IDS), file.with_name(f"{_DEV_IDS}.gz")) if p.is_file()),
        None,
    )
    if ids is None:
        raise DataError(
            f"{file}: wants {_DEV_IDS} beside it, the benchmark's list of the rows that are for "
            "validation; or train.tsv and dev.tsv"
        )
    listed = read_rows(ids, report, format="tsv", header=("first", "second"))
    validation_ids = {(values["first"], values["second"]) for _, values in listed}
    parts: dict[str, list[Row]] = {"train": [], "validation": []}
    for place, values in _rows(file, row, "train", report):
        held_out = (values["#1 ID"], values["#2 ID"]) in validation_ids
        parts["validation" if held_out else "train"].append((place, values))
    return {
        split: read_examples(rows, row, row.columns, split, str(file))
        for split, rows in parts.items()
    }
