"""Fine-tuning put together: a task, a checkpoint and a mesh become what the loop runs."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from bert_jax.data.grouping import Grouping, RowBatch, fitting_lengths
from bert_jax.data.tokenizers import Tokenizer
from bert_jax.errors import ConfigError
from bert_jax.interop.published import Published
from bert_jax.model import BertConfig, Execution, Module, TagScores, initialize, make_model
from bert_jax.model.crf import best_tags
from bert_jax.objectives.finetuning import (
    TASK_LOSSES,
    TaskBatch,
    TaskLoss,
    finetuning_objective,
)
from bert_jax.objectives.objective import Objective, Ratio
from bert_jax.runs.best_model import BestModel
from bert_jax.runs.fitting import Fit
from bert_jax.runs.models import complete
from bert_jax.runs.task_batches import fill, score_rows
from bert_jax.tasks.examples import Features, fingerprint
from bert_jax.tasks.schemes import allowed_transitions
from bert_jax.tasks.tagging_task import SCHEME
from bert_jax.tasks.task import Task
from bert_jax.training.abreast import Abreast, SideBySide, Vectorized
from bert_jax.training.activations import Activations
from bert_jax.training.flops import flops_per_row
from bert_jax.training.moving import Moving
from bert_jax.training.sharding import Sharding, placed
from bert_jax.training.skipping import SpikeGuard
from bert_jax.training.stage import Evaluation, Intervals, Stage
from bert_jax.training.state import TrainState, select
from bert_jax.training.step import TrainStep, make_train_step
from bert_jax.training.together import together

# Bytes of an activation up to which a CPU is the sooner done with seeds that it trains together
# (experiments/seeds_at_once).
_SMALL = 8 * 2**20


@dataclass(frozen=True)
class Batching:
    """How rows become batches.

    Attributes:
        batch_size: rows a step.
        eval_batch_size: rows at a time in evaluation.
        gradient_accumulation: parts that a batch is computed in.
        static_lengths: lengths that batches are padded to; empty: chosen for the rows.
    """

    batch_size: int
    eval_batch_size: int
    gradient_accumulation: int
    static_lengths: tuple[int, ...]


@dataclass(frozen=True)
class Finetuning:
    """Everything that fine-tuning needs, as pure functions of its fields."""

    task: Task
    start: Published
    execution: Execution
    tokenizer: Tokenizer
    transformation: optax.GradientTransformationExtraArgs
    rate: optax.Schedule
    moving: Moving
    batching: Batching
    sharding: Sharding
    steps: int
    intervals: Intervals
    guard: SpikeGuard
    patience: int
    watchdog_seconds: float
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that the mesh divides batches, and that rows of all splits fit their lengths.

        Raises:
            ConfigError: they do not.
        """
        parts, batching = self.sharding.batch_devices, self.batching
        rows = {
            "batch_size": batching.batch_size // batching.gradient_accumulation,
            "eval_batch_size": batching.eval_batch_size,
        }
        for name, count in rows.items():
            if count % parts:
                raise ConfigError(
                    f"config.train.{name}={getattr(batching, name)} gives {count} rows at a time, "
                    f"which the mesh's {parts} parts of a batch do not divide"
                )
        longest = max(len(ids) for f in self.task.features.values() for ids in f.input_ids)
        if batching.static_lengths and longest > batching.static_lengths[-1]:
            raise ConfigError(
                f"config.train.static_lengths: the longest is {batching.static_lengths[-1]}, but "
                f"rows have up to {longest} tokens; add config.train.max_seq_length"
            )

    @property
    def model(self) -> BertConfig:
        """The architecture."""
        return self.start.config

    @property
    def kind(self) -> str:
        """Which model it is, a key of `model.KINDS`."""
        return self.start.kind

    @functools.cached_property
    def data_fingerprint(self) -> str:
        """The sha256 over all that the model sees of the task."""
        return fingerprint(self.task.features, self.task.labels)

    @property
    def facts(self) -> dict[str, Any]:
        """What a run's folder should say of it."""
        return {
            "task": self.task.name,
            "steps": self.steps,
            "data_fingerprint": self.data_fingerprint,
            "tokenizer_fingerprint": self.tokenizer.fingerprint,
        }

    @functools.cached_property
    def module(self) -> Module:
        """The Flax module."""
        labels = len(self.start.labels)
        execution = Activations(self.sharding).place(self.execution)
        return make_model(self.kind, self.model, execution, labels)

    @functools.cached_property
    def abstract_state(self) -> TrainState:
        """Shapes, dtypes and shardings of the state."""
        return self.sharding.abstract(
            lambda: self._state(initialize(self.module, jax.random.key(0)), 0)
        )

    def fitted(self, seed: int) -> Fit:
        """Give the checkpoint's parameters, the head's newly drawn."""
        return complete(self.start, seed)

    def initial_state(self, fitted: Fit, seed: int) -> TrainState:
        """Give the state before the first step; moments for what moves alone."""
        shardings = jax.tree.map(lambda leaf: leaf.sharding, self.abstract_state)
        return jax.jit(self._state, out_shardings=shardings)(fitted.params, seed)

    @functools.cached_property
    def static_lengths(self) -> tuple[int, ...]:
        """Lengths that batches are padded to, the same for all splits."""
        lengths = np.concatenate([_lengths(rows) for rows in self.task.features.values()])
        return self.batching.static_lengths or fitting_lengths(lengths, self.batching.batch_size)

    def grouping(self, features: Features, batch_size: int) -> Grouping:
        """Group rows by length."""
        return Grouping(_lengths(features), batch_size, self.static_lengths)

    def chosen(self, seed: int) -> Callable[[int], RowBatch]:
        """Give the rows of each step, of a seed's own and as long as those of any other."""
        grouping = self.grouping(self.task.features["train"], self.batching.batch_size)

        @functools.lru_cache(maxsize=2)
        def epoch(number: int) -> Sequence[RowBatch]:
            return grouping.in_random_order(seed, number)

        def chosen(step: int) -> RowBatch:
            number, place = divmod(step, grouping.batches_per_epoch)
            return epoch(number)[place]

        return chosen

    def filled(self, chosen: RowBatch) -> TaskBatch:
        """Lay training rows out as a batch of a step."""
        features = self.task.features["train"]
        return fill(features, chosen, self.batching.batch_size, self.tokenizer.pad_id)

    def stage(self, seed: int, best: BestModel) -> Stage:
        """Give the training of all epochs."""
        chosen, sequences = self.chosen(seed), self.batching.batch_size

        def held_out(params: Any) -> dict[str, float]:
            metrics, best.latest = self.held_out(params)
            return metrics

        batches = -(-len(self.task.features["train"].input_ids) // sequences)  # of an epoch
        tokens = sum(chosen(step).length for step in range(batches)) / batches
        return Stage(
            start=0,
            end=self.steps,
            train_step=self._train_step,
            batch=lambda step: self.put(self.filled(chosen(step))),
            rows=lambda step: chosen(step).rows,
            shardings=jax.tree.map(lambda leaf: leaf.sharding, self.abstract_state),
            sequences=sequences,
            tokens=round(sequences * tokens),
            flops=3.0 * sequences * flops_per_row(self.model, round(tokens), 0),
            evaluation=Evaluation(
                metrics=held_out,
                samples=lambda params: [],
                follow=best,
                enough=best.enough,
            ),
        )

    @property
    def gains_together(self) -> bool:
        """Whether several seeds are sooner done when they are trained together.

        On a CPU those whose activations leave the cache are not: states of several take turns in
        it, too.
        """
        tokens = self.batching.batch_size * self.static_lengths[-1]
        return not self._on_cpu or 4 * tokens * self.model.intermediate_size <= _SMALL

    @property
    def abreast(self) -> Abreast:
        """How the steps of several seeds are computed together.

        A CPU computes the matrices of several seeds slower as one batched product than by
        themselves (experiments/seeds_at_once).
        """
        return self.side_by_side if self._on_cpu else self.vectorized

    @property
    def side_by_side(self) -> SideBySide:
        """Several seeds by the compiled step of one."""
        return SideBySide(self._train_step, self.put)

    @functools.cached_property
    def vectorized(self) -> Vectorized:
        """Several seeds as an axis of every array."""
        shardings = jax.tree.map(lambda leaf: leaf.sharding, self.abstract_state)
        options = self.sharding.compiler_options
        return Vectorized(self._step, self.moving.moves, shardings, self.put, options)

    @functools.cached_property
    def objective(self) -> Objective:
        """The task's objective."""
        return finetuning_objective(self.module.apply, self.task_loss)

    @property
    def task_loss(self) -> TaskLoss:
        """The loss of the task's head."""
        return TASK_LOSSES[self.task.head]

    @property
    def loss_terms(self) -> tuple[str, ...]:
        """The metrics whose sum is the loss."""
        return ("task_loss",)

    def held_out(self, params: Any) -> tuple[dict[str, float], list[np.ndarray]]:
        """Give the metrics of the split that models are chosen by, with its loss where it has one.

        Beside them what the model says of each row.
        """
        scores, loss = self._run(params, self.task.selects_by)
        metrics = self.task.score(self.task.selects_by, scores)
        return metrics if loss is None else {"task_loss": loss, **metrics}, scores

    def scores(self, params: Any, split: str) -> list[np.ndarray]:
        """Run the model over a split, each row once."""
        return self._run(params, split)[0]

    def put(self, batch: Any) -> Any:
        """Put a batch on the devices, rows cut over the mesh."""
        return placed(batch, self.sharding.batch)

    def _run(self, params: Any, split: str) -> tuple[list[np.ndarray], float | None]:
        """Run the model over a split; give its scores of each row, and the mean loss."""
        features = self.task.features[split]
        losses: list[Ratio] = []

        def forward(batch: TaskBatch) -> Any:
            scores, loss = self._forward(params, batch)
            losses.extend(loss)
            return scores

        grouping = self.grouping(features, self.batching.eval_batch_size)
        scores = score_rows(forward, features, grouping, self.put, self.tokenizer.pad_id)
        if not losses:
            return scores, None
        sums = np.array(jax.device_get(losses), np.float64).sum(axis=0)
        return scores, float(sums[0] / sums[1])

    @property
    def _on_cpu(self) -> bool:
        return self.sharding.mesh.devices.flat[0].platform == "cpu"

    @functools.cached_property
    def _step(self) -> TrainStep:
        return make_train_step(
            self.objective,
            self.transformation,
            accumulation=self.batching.gradient_accumulation,
            moves=self.moving.moves,
        )

    @functools.cached_property
    def _train_step(self) -> TrainStep:
        """Compile the step once for each length, whatever the seed."""
        shardings = jax.tree.map(lambda leaf: leaf.sharding, self.abstract_state)
        return together(
            jax.jit(
                self._step,
                in_shardings=(shardings, self.sharding.batch, *2 * (self.sharding.replicated,)),
                out_shardings=(shardings, *2 * (self.sharding.replicated,)),
                donate_argnums=0,
                compiler_options=self.sharding.compiler_options,
            )
        )

    @functools.cached_property
    def _forward(self) -> Callable[[Any, TaskBatch], tuple[Any, list[Ratio]]]:
        def forward(params: Any, batch: TaskBatch) -> tuple[Any, list[Ratio]]:
            scores = self.module.apply(
                {"params": params}, batch.input_ids, batch.token_type_ids, batch.attention_mask
            )
            loss = []
            if self.task_loss.target in batch.targets:
                loss = [self.task_loss.terms(scores, batch)["task_loss"]]
            if isinstance(scores, TagScores):
                starts = batch.targets["word_starts"]
                allowed = allowed_transitions(self.task.labels, SCHEME)
                return best_tags(scores.chain, scores.emissions, starts, allowed), loss
            return scores, loss

        return together(jax.jit(forward, out_shardings=self.sharding.replicated))

    def _state(self, params: Any, seed: int | Array) -> TrainState:
        moments = self.transformation.init(select(params, self.moving.moves))
        key = jax.random.split(jax.random.key(seed))[1]
        return TrainState(jnp.zeros((), jnp.int32), params, moments, key)


def _lengths(features: Features) -> np.ndarray:
    return np.array([len(ids) for ids in features.input_ids], np.int64)
