"""Classification and regression of texts and pairs, as a task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.tasks.classification import make_features
from bert_jax.tasks.examples import Features
from bert_jax.tasks.leaderboard import format_predictions
from bert_jax.tasks.metrics import bootstrap, score
from bert_jax.tasks.reading import TaskData

BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class SentenceTask:
    """See `tasks.task.Task`."""

    data: TaskData
    features: dict[str, Features]
    labels: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.data.row.name

    @property
    def head(self) -> str:
        """Classification or regression."""
        return self.data.row.head

    @property
    def primary_metric(self) -> str:
        """The metric by which models are compared."""
        return self.data.row.primary_metric

    @property
    def scored_splits(self) -> tuple[str, ...]:
        """The splits whose labels are known, "train" left out."""
        return tuple(s for s, f in self.features.items() if f.targets and s != "train")

    @property
    def selects_by(self) -> str:
        """The first validation split."""
        return next(s for s in self.scored_splits if s.startswith("validation"))

    @property
    def trivial_score(self) -> float:
        """The score of always saying the commonest label, or any one value."""
        if self.head == "regression":
            return 0.0
        labels = self._targets(self.selects_by)
        commonest = np.full(len(labels), np.bincount(labels).argmax())
        return score((self.primary_metric,), commonest, labels)[self.primary_metric]

    def settled(self, scores: Sequence[np.ndarray]) -> "SentenceTask":
        """Give the task itself: nothing is decided on held-out rows."""
        return self

    def score(self, split: str, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Compute all metrics of the task."""
        return score(self.data.row.metrics, self._predicted(scores), self._targets(split))

    def interval(self, split: str, scores: Sequence[np.ndarray]) -> tuple[float, float]:
        """Bootstrap the primary metric over rows."""
        return bootstrap(
            self.primary_metric, self._predicted(scores), self._targets(split), BOOTSTRAP_SEED
        )

    def predictions(self, split: str, scores: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
        """Say for each row its text, label, prediction and what each class got."""
        for example, row in zip(self.data.split(split), scores, strict=True):
            said: dict[str, Any] = {"place": example.place, "text": example.text}
            if example.text_pair is not None:
                said["text_pair"] = example.text_pair
            said["label"] = example.label
            if self.head == "regression":
                said["prediction"] = float(row[0])
            else:
                shares = np.exp(row - row.max())
                shares = (shares / shares.sum()).tolist()
                said["prediction"] = self.labels[int(row.argmax())]
                said["probabilities"] = dict(zip(self.labels, shares, strict=True))
            yield said

    def files(self, split: str, scores: Sequence[np.ndarray]) -> dict[str, str]:
        """Give the leaderboard's file of a test split."""
        if split not in self.data.row.leaderboard:
            return {}
        name, text = format_predictions(self.data.row, split, self._predicted(scores))
        return {name: text}

    def _predicted(self, scores: Sequence[np.ndarray]) -> np.ndarray:
        stacked = np.stack(scores)
        return stacked[:, 0] if self.head == "regression" else stacked.argmax(axis=1)

    def _targets(self, split: str) -> np.ndarray:
        name = "value" if self.head == "regression" else "label"
        return np.asarray(self.features[split].targets[name])


def sentence_task(data: TaskData, tokenizer: Tokenizer, max_seq_length: int) -> SentenceTask:
    """Encode all splits of a task.

    Raises:
        DataError: a label is unknown, or there is no split to train on or to validate with.
        ConfigError: `max_seq_length` leaves no room for text.
    """
    data.split("train")
    if not any(split.startswith("validation") for split in data.splits):
        data.split("validation")
    labels = data.row.labels or ()
    features, notes = {}, list(data.notes)
    for split, examples in data.splits.items():
        features[split], cut = make_features(examples, tokenizer, labels, max_seq_length)
        if cut:
            notes.append(
                f"{split}: {cut:,} of {len(examples):,} rows are longer than "
                f"max_seq_length={max_seq_length} and were cut"
            )
    return SentenceTask(data, features, labels or ("score",), tuple(notes))
