"""A model at work for predictions: its options, and its scores of rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from bert_jax import Loaded
from bert_jax.data.grouping import Grouping, usual_lengths
from bert_jax.data.lines import ReadReport
from bert_jax.errors import ConfigError
from bert_jax.model import Module
from bert_jax.objectives.finetuning import TaskBatch
from bert_jax.prediction.heads import TASKS, has_pooler
from bert_jax.prediction.lines import Line
from bert_jax.runs.task_batches import score_rows
from bert_jax.tasks.examples import Features

# From some lines to what is said of each, in their order.
Answer = Callable[[Sequence[Line]], Iterator[dict[str, Any]]]

POOLINGS = ("pooled", "mean", "tokens")
_SHORTEST = 8  # tokens of a row: a pair or a question with room for some text


@dataclass(frozen=True)
class PredictConfig:
    """The flags of `predict`, which say what each of them means."""

    task: str
    batch_size: int = 32
    max_seq_length: int | None = None
    top_k: int = 5
    pooling: str = "pooled"
    layer: int = -1
    null_threshold: float | None = None

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"--task={self.task}: wants one of {', '.join(TASKS)}")
        if self.pooling not in POOLINGS:
            raise ConfigError(f"--pooling={self.pooling}: wants one of {', '.join(POOLINGS)}")
        for name in ("batch_size", "top_k"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name}={getattr(self, name)}: wants 1 or more")
        if self.pooling == "pooled" and self.layer != -1:
            raise ConfigError(
                f"--layer={self.layer}: the last layer alone is pooled; add --pooling=mean or "
                "--pooling=tokens"
            )


@dataclass(frozen=True)
class Scorer:
    """A model, how it is to be used, and what is to be said about that at the end.

    Raises:
        ConfigError: the options do not fit the model.
    """

    loaded: Loaded
    options: PredictConfig
    report: ReadReport

    def __post_init__(self) -> None:
        positions, layers = self._positions, self.loaded.config.num_hidden_layers
        if not _SHORTEST <= self.max_seq_length <= positions:
            raise ConfigError(
                f"--max_seq_length={self.max_seq_length}: wants {_SHORTEST} to {positions}, the "
                "positions of the model"
            )
        if not -layers - 1 <= self.options.layer <= layers:
            raise ConfigError(
                f"--layer={self.options.layer}: wants 0, the embeddings, to {layers}, the last "
                "layer, which is -1 too"
            )

    @property
    def max_seq_length(self) -> int:
        """The most tokens of a row."""
        asked = self.options.max_seq_length
        return self._positions if asked is None else asked

    @property
    def pools(self) -> bool:
        """Whether the model has a pooler."""
        return has_pooler(self.loaded)

    def scores(
        self, forward: Callable[[Any, TaskBatch], Any], features: Features
    ) -> list[np.ndarray]:
        """Run a compiled function of parameters and a batch over rows; return its rows, in order.

        It gives one array [B, ...]; one of tokens, [B, T, ...], is cut to the row.
        """
        lengths = np.array([len(ids) for ids in features.input_ids], np.int64)
        # The same lengths whatever rows come, so that each is compiled once.
        static = usual_lengths(self.max_seq_length)
        return score_rows(
            lambda batch: forward(self.loaded.params, batch),
            features,
            Grouping(lengths, self.options.batch_size, static),
            jax.device_put,
            self.loaded.tokenizer.pad_id,
        )

    @property
    def _positions(self) -> int:
        return self.loaded.config.max_position_embeddings


def apply(module: Module, params: Any, batch: TaskBatch, *more: Any, method: Any = None) -> Any:
    """Apply a model, or a method of it, to a batch and whatever else it takes."""
    return module.apply(
        {"params": params},
        *(batch.input_ids, batch.token_type_ids, batch.attention_mask, *more),
        method=method,
    )
