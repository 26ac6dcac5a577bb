"""The table of tasks: what each predicts, how it is scored, and how its files look."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Head = Literal["classification", "regression", "span", "tagging"]


@dataclass(frozen=True)
class Columns:
    """The names of the columns that matter; `pair` is None where a text stands alone."""

    text: str
    pair: str | None
    label: str


@dataclass(frozen=True)
class TaskRow:
    """A task.

    Attributes:
        name: what a user calls it.
        head: what the model predicts.
        metrics: names of scores; the first one says which model is better.
        labels: the classes, in the order of their indices; None where the training data tells.
        words: the labels as the files and the leaderboard write them; none: as they are.
        columns: of tables of texts.
        header: the columns of those training and validation files that have no header line.
        folder: the task's folder within the benchmark's.
        files: by split, the names that its file may have; the first that is there is read.
        tfds: the name in TensorFlow Datasets.
        tfds_columns: what the columns are called there; none: the same.
        leaderboard: by test split, the file that predictions are written to.
        bounds: the least and the greatest value, for regression.
    """

    name: str
    head: Head
    metrics: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    words: tuple[str, ...] = ()
    columns: Columns | None = None
    header: tuple[str, ...] = ()
    folder: str = ""
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tfds: str = ""
    tfds_columns: Columns | None = None
    leaderboard: Mapping[str, str] = field(default_factory=dict)
    bounds: tuple[float, float] | None = None

    @property
    def primary_metric(self) -> str:
        """The metric by which models are compared."""
        return self.metrics[0]

    @property
    def written_labels(self) -> tuple[str, ...]:
        """The labels as files write them."""
        return self.words or self.labels or ()


_FILES = {"train": ("train.tsv",), "validation": ("dev.tsv",), "test": ("test.tsv",)}
_BINARY = ("0", "1")
_SENTENCE = Columns("sentence", None, "label")
_SENTENCES = Columns("sentence1", "sentence2", "label")
_PREMISE = Columns("premise", "hypothesis", "label")
_ENTAILMENT = ("entailment", "not_entailment")
_INFERENCE = ("entailment", "neutral", "contradiction")

# Classes stand in the order of TensorFlow Datasets.
_GLUE = (
    TaskRow(
        name="cola",
        head="classification",
        metrics=("matthews", "accuracy"),
        labels=("unacceptable", "acceptable"),
        words=_BINARY,
        columns=_SENTENCE,
        header=("source", "label", "original_label", "sentence"),
        folder="CoLA",
        files=_FILES,
        tfds="glue/cola",
        leaderboard={"test": "CoLA.tsv"},
    ),
    TaskRow(
        name="sst2",
        head="classification",
        metrics=("accuracy",),
        labels=("negative", "positive"),
        words=_BINARY,
        columns=_SENTENCE,
        folder="SST-2",
        files=_FILES,
        tfds="glue/sst2",
        leaderboard={"test": "SST-2.tsv"},
    ),
    TaskRow(
        name="mrpc",
        head="classification",
        metrics=("f1", "accuracy"),
        labels=("not_equivalent", "equivalent"),
        words=_BINARY,
        columns=Columns("#1 String", "#2 String", "Quality"),
        folder="MRPC",
        files={
            "train": ("train.tsv", "msr_paraphrase_train.txt"),
            "validation": ("dev.tsv",),
            "test": ("test.tsv", "msr_paraphrase_test.txt"),
        },
        tfds="glue/mrpc",
        tfds_columns=_SENTENCES,
        leaderboard={"test": "MRPC.tsv"},
    ),
    TaskRow(
        name="stsb",
        head="regression",
        metrics=("pearson", "spearman"),
        columns=Columns("sentence1", "sentence2", "score"),
        folder="STS-B",
        files=_FILES,
        tfds="glue/stsb",
        tfds_columns=_SENTENCES,
        leaderboard={"test": "STS-B.tsv"},
        bounds=(0.0, 5.0),
    ),
    TaskRow(
        name="qqp",
        head="classification",
        metrics=("f1", "accuracy"),
        labels=("not_duplicate", "duplicate"),
        words=_BINARY,
        columns=Columns("question1", "question2", "is_duplicate"),
        folder="QQP",
        files=_FILES,
        tfds="glue/qqp",
        tfds_columns=Columns("question1", "question2", "label"),
        leaderboard={"test": "QQP.tsv"},
    ),
    TaskRow(
        name="mnli",
        head="classification",
        metrics=("accuracy",),
        labels=_INFERENCE,
        columns=Columns("sentence1", "sentence2", "gold_label"),
        folder="MNLI",
        files={
            "train": ("train.tsv",),
            "validation_matched": ("dev_matched.tsv",),
            "validation_mismatched": ("dev_mismatched.tsv",),
            "test_matched": ("test_matched.tsv",),
            "test_mismatched": ("test_mismatched.tsv",),
        },
        tfds="glue/mnli",
        tfds_columns=_PREMISE,
        leaderboard={"test_matched": "MNLI-m.tsv", "test_mismatched": "MNLI-mm.tsv"},
    ),
    TaskRow(
        name="qnli",
        head="classification",
        metrics=("accuracy",),
        labels=_ENTAILMENT,
        columns=Columns("question", "sentence", "label"),
        folder="QNLI",
        files=_FILES,
        tfds="glue/qnli",
        leaderboard={"test": "QNLI.tsv"},
    ),
    TaskRow(
        name="rte",
        head="classification",
        metrics=("accuracy",),
        labels=_ENTAILMENT,
        columns=_SENTENCES,
        folder="RTE",
        files=_FILES,
        tfds="glue/rte",
        leaderboard={"test": "RTE.tsv"},
    ),
    TaskRow(
        name="wnli",
        head="classification",
        metrics=("accuracy",),
        labels=("not_entailment", "entailment"),
        words=_BINARY,
        columns=_SENTENCES,
        folder="WNLI",
        files=_FILES,
        tfds="glue/wnli",
        leaderboard={"test": "WNLI.tsv"},
    ),
    TaskRow(  # the diagnostic set: no training data of its own, a model of MNLI is tried on it
        name="ax",
        head="classification",
        metrics=("matthews",),
        labels=_INFERENCE,
        columns=_SENTENCES,
        folder="diagnostic",
        files={"test": ("diagnostic.tsv", "AX.tsv")},
        tfds="glue/ax",
        tfds_columns=_PREMISE,
        leaderboard={"test": "AX.tsv"},
    ),
)

_QUESTIONS = (
    TaskRow(
        name="squad1",
        head="span",
        metrics=("f1", "exact_match"),
        files={"train": ("train-v1.1.json",), "validation": ("dev-v1.1.json",)},
    ),
    TaskRow(
        name="squad2",
        head="span",
        metrics=("f1", "exact_match"),
        files={"train": ("train-v2.0.json",), "validation": ("dev-v2.0.json",)},
    ),
    TaskRow(
        name="cmrc2018",
        head="span",
        metrics=("f1", "exact_match"),
        files={"train": ("cmrc2018_train.json",), "validation": ("cmrc2018_dev.json",)},
    ),
)

TASKS: dict[str, TaskRow] = {row.name: row for row in (*_GLUE, *_QUESTIONS)}
