"""What fine-tuning has to know of a task, whatever its kind."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from bert_jax.tasks.examples import Features


class Task(Protocol):
    """A task with its data read and encoded."""

    @property
    def name(self) -> str:
        """What the user calls it."""
        ...

    @property
    def head(self) -> str:
        """What the model predicts: a key of `objectives.finetuning.TASK_LOSSES`."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of what the head scores."""
        ...

    @property
    def features(self) -> dict[str, Features]:
        """Rows by split; "train" is among them."""
        ...

    @property
    def selects_by(self) -> str:
        """The split whose score says which model is better."""
        ...

    @property
    def primary_metric(self) -> str:
        """The score itself; higher is better."""
        ...

    @property
    def trivial_score(self) -> float | None:
        """What saying the same of every example of `selects_by` reaches in the primary metric.

        None where there is no such answer.
        """
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should hear about the data."""
        ...

    @property
    def scored_splits(self) -> tuple[str, ...]:
        """The splits whose answers are known, "train" left out."""
        ...

    def settled(self, scores: Sequence[np.ndarray]) -> "Task":
        """Give the task with what is decided on held-out rows fixed, such as a threshold.

        Args:
            scores: the model's, of the rows of `selects_by`.
        """
        ...

    def score(self, split: str, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Compute the metrics of a split from the model's scores of its rows."""
        ...

    def interval(self, split: str, scores: Sequence[np.ndarray]) -> tuple[float, float]:
        """Bootstrap a 95% interval of the primary metric over the examples."""
        ...

    def predictions(self, split: str, scores: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
        """Say for each example what was predicted, as a JSON object."""
        ...

    def files(self, split: str, scores: Sequence[np.ndarray]) -> dict[str, str]:
        """Give files in the form that a leaderboard takes, by name."""
        ...
