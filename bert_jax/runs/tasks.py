"""The task that a config names, read and encoded."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from bert_jax.data.lines import ReadReport
from bert_jax.data.tokenizers import Tokenizer
from bert_jax.errors import ConfigError, DataError
from bert_jax.tasks.answers import AnswerConfig
from bert_jax.tasks.conll import ConllFormat, has_tags, read_conll
from bert_jax.tasks.glue import read_task
from bert_jax.tasks.own import OwnTask, own_task
from bert_jax.tasks.question_task import QuestionTask, question_task
from bert_jax.tasks.reading import describe_oddities
from bert_jax.tasks.sentence_task import sentence_task
from bert_jax.tasks.squad import SquadReport, read_squad
from bert_jax.tasks.table import TASKS, TaskRow
from bert_jax.tasks.tagging_task import SCHEME, TaggingTask, tagging_task
from bert_jax.tasks.task import Task
from bert_jax.tasks.windows import WindowConfig

TAGGED_STEMS = {
    "train": ("train",),
    "validation": ("dev", "valid", "validation", "testa"),
    "test": ("test", "testb"),
}
TAGGED_ENDINGS = (".conll", ".txt", ".tsv", ".iob", ".bio")


@dataclass(frozen=True)
class QuestionSource:
    """How contexts are cut and which spans are answers; see `WindowConfig`, `AnswerConfig`."""

    doc_stride: int
    max_query_length: int
    max_answer_length: int
    n_best: int


@dataclass(frozen=True)
class TaggingSource:
    """How tagged files are written, see `ConllFormat`, and the head: "linear" or "crf"."""

    head: str
    word_column: int
    tag_column: int
    separator: str
    comment: str
    scheme: str
    broken_tags: str


@dataclass(frozen=True)
class TaskSource:
    """Where a task's data is, and how it is read; `configs/finetune.py` says what is for what."""

    path: str
    validation: str
    test: str
    questions: QuestionSource
    tagging: TaggingSource
    text_column: str
    pair_column: str
    label_column: str
    labels: tuple[str, ...]
    regression: bool
    format: str
    delimiter: str
    header: tuple[str, ...]
    validation_share: float


def usual_length(name: str) -> int:
    """Give the length of rows that a task is usually trained with, in tokens."""
    return 384 if name in TASKS and TASKS[name].head == "span" else 128


def load_task(name: str, source: TaskSource, tokenizer: Tokenizer, max_seq_length: int) -> Task:
    """Read a task's data and encode it.

    Raises:
        ConfigError: there is no such task, or no path.
        DataError: the data is missing or cannot be used.
    """
    if not source.path:
        raise ConfigError("config.data.path: missing; name the folder or file of the task's data")
    if name == "own":
        return sentence_task(own_task(_own(source)), tokenizer, max_seq_length)
    if name == "tags":
        return _tagging(source, tokenizer, max_seq_length)
    if name not in TASKS:
        raise ConfigError(f"config.task={name}: wants one of {', '.join((*TASKS, 'own', 'tags'))}")
    row = TASKS[name]
    if row.head == "span":
        return _questions(row, source, tokenizer, max_seq_length)
    return sentence_task(read_task(row, source.path), tokenizer, max_seq_length)


def _own(source: TaskSource) -> OwnTask:
    names = {field.name for field in dataclasses.fields(OwnTask)}
    try:
        return OwnTask(**{name: value for name, value in vars(source).items() if name in names})
    except ValueError as error:
        raise ConfigError(f"config.data.{error}") from error


def _questions(
    row: TaskRow, source: TaskSource, tokenizer: Tokenizer, max_seq_length: int
) -> QuestionTask:
    names = {split: row.files[split] for split in ("train", "validation")}
    files = _files(source, names)
    reports = {split: SquadReport() for split in files}
    questions = {split: read_squad(file, reports[split]) for split, file in files.items()}
    how = source.questions
    answers = AnswerConfig(how.n_best, how.max_answer_length, row.name == "squad2")
    windows = WindowConfig(max_seq_length, how.doc_stride, how.max_query_length)
    rule = "cmrc" if row.name.startswith("cmrc") else row.name
    return question_task(row.name, rule, questions, reports, tokenizer, windows, answers)


def _tagging(source: TaskSource, tokenizer: Tokenizer, max_seq_length: int) -> TaggingTask:
    fields = dict(vars(source.tagging))
    head = fields.pop("head")
    if head not in ("linear", "crf"):
        raise ConfigError(f"config.data.tagging.head={head}: wants linear or crf")
    report = ReadReport()
    names = {
        split: tuple(f"{stem}{end}" for stem in stems for end in TAGGED_ENDINGS)
        for split, stems in TAGGED_STEMS.items()
    }
    format = ConllFormat(**fields)
    sentences = {
        split: read_conll(
            file,
            format,
            report,
            target_scheme=SCHEME,
            tagged=split != "test" or has_tags(file, format),
        )
        for split, file in _files(source, names).items()
    }
    head = "crf" if head == "crf" else "tagging"
    notes = describe_oddities(report)
    return tagging_task("tags", head, sentences, notes, tokenizer, max_seq_length)


def _files(source: TaskSource, names: dict[str, tuple[str, ...]]) -> dict[str, Path]:
    """Find the file of each split: named by the config, or by its usual name in a folder."""
    path = Path(source.path)
    files = {} if path.is_dir() else {"train": path}
    for split, usual in names.items() if path.is_dir() else ():
        candidates = [path / f"{name}{end}" for name in usual for end in ("", ".gz")]
        found = [file for file in candidates if file.is_file()]
        if found:
            files[split] = found[0]
    named = {"validation": source.validation, "test": source.test}
    files |= {split: Path(name) for split, name in named.items() if name}
    for split in ("train", "validation"):
        if split not in files:
            wanted = ", ".join(names.get(split, ()))
            raise DataError(
                f"{path}: no file for the {split} split; wants one of {wanted} there, or "
                f"config.data.{'path' if split == 'train' else split} to name it"
            )
        if not files[split].is_file():
            raise DataError(f"{files[split]}: no such file")
    return files
