"""The rows of each comparison, read by this project's readers and chosen once for both sides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.data.lines import ReadReport
from bert_jax.data.tokenizers import Tokenizer
from bert_jax.tasks.conll import ConllFormat, read_conll
from bert_jax.tasks.examples import Question, TaggedSentence
from bert_jax.tasks.glue import read_task
from bert_jax.tasks.own import OwnTask, own_task
from bert_jax.tasks.reading import TaskData
from bert_jax.tasks.squad import SquadReport, read_squad
from bert_jax.tasks.table import TASKS
from bert_jax.tasks.tagging import find_classes
from bert_jax.tasks.tagging_task import SCHEME

SEED = 0  # of the choice of rows; it is the same for every seed of training


@dataclass(frozen=True)
class Subset:
    """Examples, tagged sentences or questions; `labels` in the order of their indices."""

    train: Sequence[Any]
    validation: Sequence[Any]
    labels: tuple[str, ...]

    def chosen(self, rows: int, held_out: int) -> "Subset":
        """Take so many rows at random, in the order of the data; 0 takes all."""
        return replace(
            self, train=_choose(self.train, rows), validation=_choose(self.validation, held_out)
        )


def _choose(rows: Sequence[Any], count: int) -> Sequence[Any]:
    if not count or count >= len(rows):
        return rows
    kept = np.random.default_rng(SEED).choice(len(rows), count, replace=False)
    return [rows[i] for i in sorted(kept)]


def _of_texts(data: TaskData) -> Subset:
    return Subset(data.split("train"), data.split("validation"), data.row.labels or ())


def _glue(task: str) -> Callable[[Path], Subset]:
    return lambda data: _of_texts(read_task(TASKS[task], str(data / "glue")))


def _qnli(data: Path) -> Subset:
    path = str(data / "glue-samples" / "QNLI")
    return _of_texts(own_task(OwnTask(path, "text_a", "label", pair_column="text_b")))


def _chnsenticorp(data: Path) -> Subset:
    path = data / "classification" / "chnsenticorp"
    return _of_texts(own_task(OwnTask(str(path), "text_a", "label")))


def _squad(data: Path) -> Subset:
    def read(split: str) -> list[Question]:
        path = data / "squad" / f"v1.1-dev-articles.{split}.json.gz"
        return read_squad(path, SquadReport())

    placed = [q for q in read("train") if any(answer.start >= 0 for answer in q.answers)]
    return Subset(placed, read("eval"), ())


def _entities(name: str) -> Callable[[Path], Subset]:
    def read(data: Path) -> Subset:
        # MSRA has 17 sentences that begin within a name, as the one before was cut there.
        form = ConllFormat(broken_tags="repair")
        train, validation = (
            read_conll(data / "ner" / name / f"{split}.conll.gz", form, ReadReport())
            for split in ("train", "dev")
        )
        return Subset(train, validation, find_classes(train, SCHEME))

    return read


SOURCES: dict[str, Callable[[Path], Subset]] = {
    "sst2": _glue("sst2"),
    "mrpc": _glue("mrpc"),
    "cola": _glue("cola"),
    "qnli": _qnli,
    "chnsenticorp": _chnsenticorp,
    "squad": _squad,
    "wnut17": _entities("wnut17"),
    "msra": _entities("msra"),
}


def without_odd_sentences(subset: Subset, tokenizer: Tokenizer, longest: int) -> Subset:
    """Leave out tagged sentences that each side has its own way with.

    Those are the ones that need more than one row of `longest` tokens, and those with a word of
    which the tokenizer leaves nothing.
    """

    def kept(sentences: Sequence[TaggedSentence]) -> list[TaggedSentence]:
        words = list({word: None for sentence in sentences for word in sentence.words})
        pieces = dict(zip(words, map(len, tokenizer.encode_batch(words)), strict=True))
        counts = [[pieces[word] for word in sentence.words] for sentence in sentences]
        plain = [all(found) and sum(found) + 2 <= longest for found in counts]
        return [sentence for sentence, is_plain in zip(sentences, plain, strict=True) if is_plain]

    return replace(subset, train=kept(subset.train), validation=kept(subset.validation))
