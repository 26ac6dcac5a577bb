"""Read a task of the user's own: texts or pairs with a class or a value, columns by name."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bert_jax.data.holdout import choose_first
from bert_jax.data.lines import ReadReport
from bert_jax.errors import DataError
from bert_jax.tasks.examples import Example
from bert_jax.tasks.labels import find_labels
from bert_jax.tasks.reading import TaskData, describe_oddities, read_examples
from bert_jax.tasks.table import Columns, TaskRow
from bert_jax.tasks.tabular import FORMATS, read_rows

_STEMS = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}


@dataclass(frozen=True)
class OwnTask:
    """Where the rows are, and what their columns mean.

    Attributes:
        path: a file to train on, or a folder with train.*, dev.* (or validation.*) and test.*.
        validation: a file, where `path` does not lead to it; "" for none.
        test: the same; its labels may be missing.
        text_column: the text, or the first of a pair.
        pair_column: the second; "" where there is none.
        label_column: the class or value.
        labels: the classes in the order of their indices; empty: the sorted ones of the rows.
        regression: whether the labels are values.
        format: 'auto', 'tsv', 'csv', 'jsonl' or 'json', as `tabular.read_rows` describes.
        delimiter: between cells; "" for that of the format.
        header: names for the columns of files that have no header line.
        validation_share: of the training rows, held out where there is no validation file.
        seed: chooses these rows.
    """

    path: str
    text_column: str
    label_column: str
    validation: str = ""
    test: str = ""
    pair_column: str = ""
    labels: tuple[str, ...] = ()
    regression: bool = False
    format: str = "auto"
    delimiter: str = ""
    header: tuple[str, ...] = ()
    validation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.validation_share < 1:
            raise ValueError(f"validation_share: got {self.validation_share}, wants 0 to below 1")
        if len(set(self.labels)) < len(self.labels) or len(self.labels) == 1:
            raise ValueError(f"labels: got {self.labels}, wants two or more different ones")
        if self.labels and self.regression:
            raise ValueError("labels: regression has none; leave them empty")


def own_task(config: OwnTask) -> TaskData:
    """Read the splits, hold rows out for validation if no file does, and find the labels.

    Raises:
        DataError: a file is missing or cannot be used.
        ConfigError: there is no such format.
    """
    report = ReadReport()
    files = _find_files(config)
    columns = Columns(config.text_column, config.pair_column or None, config.label_column)
    row = TaskRow(
        name="own",
        head="regression" if config.regression else "classification",
        metrics=("pearson", "spearman") if config.regression else ("accuracy", "macro_f1"),
        labels=config.labels or None,
        columns=columns,
        leaderboard={"test": "test_predictions.tsv"},
    )
    splits = {}
    for split, file in files.items():
        rows = read_rows(
            file, report, format=config.format, delimiter=config.delimiter, header=config.header
        )
        splits[split] = read_examples(rows, row, columns, split, str(file))
    notes = describe_oddities(report)
    if "validation" not in splits and config.validation_share:
        train, held_out = _hold_out(splits["train"], config, files["train"])
        splits |= {"train": train, "validation": held_out}
        notes += (
            f"{files['train']}: {len(held_out)} of {len(train) + len(held_out)} rows held out for "
            f"validation, by seed {config.seed}",
        )
    if row.head == "classification" and not row.labels:
        row = dataclasses.replace(row, labels=_labels_of(splits["train"], files["train"]))
    return TaskData(row, splits, notes)


def _find_files(config: OwnTask) -> dict[str, Path]:
    path = Path(config.path)
    files = _search(path) if path.is_dir() else {"train": path}
    named = {"validation": config.validation, "test": config.test}
    files |= {split: Path(name) for split, name in named.items() if name}
    if "train" not in files:
        raise DataError(f"{path}: no train file there; wants train{', train'.join(FORMATS)}")
    for file in files.values():
        if not file.is_file():
            raise DataError(f"{file}: no such file")
    return files


def _search(folder: Path) -> dict[str, Path]:
    """Return the files in a folder whose names tell the split."""
    found = {}
    for split, stems in _STEMS.items():
        names = [f"{stem}{end}{gz}" for stem in stems for end in FORMATS for gz in ("", ".gz")]
        there = [folder / name for name in names if (folder / name).is_file()]
        if len(there) > 1:
            raise DataError(
                f"{folder}: both {there[0].name} and {there[1].name} could be the {split} split; "
                "keep one there, or name files instead of the folder"
            )
        if there:
            found[split] = there[0]
    return found


def _hold_out(
    examples: Sequence[Example], config: OwnTask, file: Path
) -> tuple[list[Example], list[Example]]:
    """Divide the training rows; both parts keep the order of the file."""
    held_out = choose_first(len(examples), config.validation_share, config.seed)
    if not held_out.any():
        raise DataError(
            f"{file}: {len(examples)} rows are too few to hold some out for validation; name a "
            "validation file"
        )
    parts: tuple[list[Example], list[Example]] = ([], [])
    for example, is_held_out in zip(examples, held_out, strict=True):
        parts[int(is_held_out)].append(example)
    return parts


def _labels_of(examples: Sequence[Example], file: Path) -> tuple[str, ...]:
    labels = find_labels(examples)
    if len(labels) < 2:
        raise DataError(
            f"{file}: every label is {', '.join(labels)!r}; wants two or more different ones"
        )
    if len(labels) > max(20, len(examples) // 2):
        raise DataError(
            f"{file}: {len(labels)} different labels in {len(examples)} rows, such as "
            f"{labels[0][:40]!r}; is label_column another one, or is this regression?"
        )
    return labels
