"""The step of pretraining put together, from a config and a mesh alone: no text, no arrays."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from bert_jax.data.pairs import PairSampling
from bert_jax.data.rows import empty_batch
from bert_jax.errors import ConfigError
from bert_jax.model import BertConfig, BertForPretraining, Execution, initialize
from bert_jax.objectives.masking import Masking, Vocabulary, packed_slots
from bert_jax.objectives.objective import Objective
from bert_jax.objectives.pretraining import pretraining_objective
from bert_jax.training.activations import Activations
from bert_jax.training.flops import flops_per_step
from bert_jax.training.optimizer import OptimizerConfig, make_optimizer
from bert_jax.training.phases import Phase, Plan
from bert_jax.training.sharding import Sharding
from bert_jax.training.state import TrainState
from bert_jax.training.step import make_train_step


@dataclass(frozen=True)
class MaskingConfig:
    """Shares of `Masking`, for training, and the rate at which every run is evaluated.

    Raises:
        ValueError: a share is out of range.
    """

    rate: float
    mask_share: float
    random_share: float
    evaluation_rate: float

    def __post_init__(self) -> None:
        for rate in (self.rate, self.evaluation_rate):
            Masking(rate, 1, self.mask_share, self.random_share)


@dataclass(frozen=True)
class PretrainingStep:
    """What a step computes and where, as pure functions of its fields.

    All of it can be asked for devices that are not there: a step is then lowered and compiled
    from `abstract_state` and `abstract_batch`.
    """

    model: BertConfig
    execution: Execution
    vocabulary: Vocabulary
    pairs: PairSampling
    masking: MaskingConfig
    optimizer: OptimizerConfig
    predictions_at_once: int
    plan: Plan
    sharding: Sharding
    seed: int

    def __post_init__(self) -> None:
        """Check what only shows when all is together.

        Raises:
            ConfigError: the vocabulary, the positions or the mesh do not fit.
        """
        if self.vocabulary.size > self.model.vocab_size:
            raise ConfigError(
                f"config.model.vocab_size={self.model.vocab_size} is smaller than the tokenizer's "
                f"{self.vocabulary.size}; leave it out, or set it to at least that"
            )
        for phase in self.plan.phases:
            if phase.max_seq_length > self.model.max_position_embeddings:
                raise ConfigError(
                    f"max_seq_length={phase.max_seq_length} is more than "
                    f"config.model.max_position_embeddings={self.model.max_position_embeddings}"
                )
            for length in {phase.row_length, phase.max_seq_length}:  # evaluation is never packed
                if length % self.sharding.sequence_devices:
                    raise ConfigError(
                        f"config.mesh: rows of {length} tokens cannot be cut into the mesh's "
                        f"{self.sharding.sequence_devices} parts of a sequence; "
                        "make the length a multiple of it"
                    )
            part = phase.batch_size // phase.gradient_accumulation
            if part % self.sharding.batch_devices:
                raise ConfigError(
                    f"config.train.batch_size={phase.batch_size} in {phase.gradient_accumulation} "
                    f"parts gives {part} rows, which the mesh's {self.sharding.batch_devices} "
                    "parts of a batch do not divide"
                )

    @property
    def activations(self) -> Activations:
        """How what is computed lies on the devices."""
        return Activations(self.sharding)

    @functools.cached_property
    def module(self) -> BertForPretraining:
        """The Flax module."""
        return BertForPretraining(self.model, self.activations.place(self.execution))

    @functools.cached_property
    def loss_terms(self) -> tuple[str, ...]:
        """The metrics whose sum is the loss."""
        return ("mlm_loss", "nsp_loss") if self.pairs.next_sentence else ("mlm_loss",)

    @functools.cached_property
    def transformation(self) -> optax.GradientTransformationExtraArgs:
        """The optimizer."""
        return make_optimizer(self.optimizer)

    @functools.cached_property
    def abstract_state(self) -> TrainState:
        """Shapes, dtypes and shardings of the state."""
        return self.sharding.abstract(self._initialize)

    def abstract_batch(self, phase: Phase) -> Any:
        """Give shapes, dtypes and shardings of a batch."""
        sequences = phase.packed_sequences if phase.packed_length else 0
        return jax.tree.map(
            lambda column: jax.ShapeDtypeStruct(
                (phase.batch_size, *column.shape[1:]), column.dtype, sharding=self.sharding.batch
            ),
            empty_batch(phase.row_length, sequences),
        )

    def objective(self, phase: Phase, *, evaluation: bool = False) -> Objective:
        """Give the objective of a phase; evaluation has its own rate of masking."""
        objective = pretraining_objective(
            self.module.apply,
            self._masking(phase, evaluation),
            self.vocabulary,
            with_nsp=self.pairs.next_sentence,
            packed=bool(phase.packed_length) and not evaluation,
            top_k=self.activations.by_rows(jax.lax.top_k),
            # Several devices would send each other the table's gradient once a part.
            at_once=self.predictions_at_once if self.sharding.mesh.size == 1 else 0,
        )

        def examples(batch: Any, key: Array) -> Any:
            # Masks are drawn for whole rows, whatever the model cuts them into.
            return self.activations.constrain_rows(objective.examples(batch, key))

        return dataclasses.replace(objective, examples=examples)

    def _masking(self, phase: Phase, evaluation: bool) -> Masking:
        rate, most = self.masking.rate, phase.max_predictions
        if evaluation:
            rate = self.masking.evaluation_rate
            most = max(most, round(rate * phase.max_seq_length))
        return Masking(rate, most, self.masking.mask_share, self.masking.random_share)

    def train_step(self, phase: Phase, repeat_after: int = 0) -> Any:
        """Jit the `TrainStep` of a phase; the state that it is given is donated.

        After `repeat_after` steps masks are drawn as before; 0: anew in every step.
        """
        shardings = jax.tree.map(lambda leaf: leaf.sharding, self.abstract_state)
        step = make_train_step(
            self.objective(phase),
            self.transformation,
            accumulation=phase.gradient_accumulation,
            repeat_after=repeat_after,
        )
        return jax.jit(
            step,
            in_shardings=(shardings, self.sharding.batch, *2 * (self.sharding.replicated,)),
            out_shardings=(shardings, *2 * (self.sharding.replicated,)),
            donate_argnums=0,
            compiler_options=self.sharding.compiler_options,
        )

    def predictions(self, phase: Phase) -> int:
        """Count the positions of a row at which the vocabulary is scored."""
        if not phase.packed_length:
            return phase.max_predictions
        masking = self._masking(phase, evaluation=False)
        return packed_slots(phase.packed_length, phase.packed_sequences, masking)

    def judged(self, phase: Phase) -> int:
        """Count the places of a row at which the next sentence is judged."""
        if not self.pairs.next_sentence:
            return 0
        return phase.packed_sequences if phase.packed_length else 1

    def flops(self, phase: Phase) -> float:
        """Count the operations of the model's products in a step."""
        return flops_per_step(self.model, phase, self.predictions(phase), self.judged(phase))

    def _initialize(self) -> TrainState:
        init_key, key = jax.random.split(jax.random.key(self.seed))
        params = initialize(self.module, init_key)
        return TrainState(jnp.zeros((), jnp.int32), params, self.transformation.init(params), key)
