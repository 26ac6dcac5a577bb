"""What a pretraining run is told to do, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bert_jax.data.pairs import PairSampling
from bert_jax.probes.probing import ProbeConfig
from bert_jax.runs.assembly import OUTPUT_BIASES
from bert_jax.runs.pretraining_step import MaskingConfig
from bert_jax.runs.run_config import RunConfig, TrainingConfig
from bert_jax.training.optimizer import OptimizerConfig
from bert_jax.training.phases import PhaseConfig


@dataclass(frozen=True)
class DataConfig:
    """Where the text comes from."""

    path: str
    dupe_factor: int

    def __post_init__(self) -> None:
        if self.dupe_factor < 0:
            raise ValueError(f"dupe_factor={self.dupe_factor} must be 0, for no copies, or more")


@dataclass(frozen=True)
class TrainConfig(TrainingConfig):
    """Length and shape of training, and how often it looks up."""

    steps: int
    max_seq_length: int
    max_predictions: int
    predictions_at_once: int
    packed_length: int
    packed_sequences: int
    eval_every: int
    eval_sequences: int
    samples: int
    keep_checkpoints: int

    least: ClassVar[Mapping[str, int]] = {
        **TrainingConfig.least,
        "predictions_at_once": 0,
        "eval_every": 1,
        "keep_checkpoints": 1,
    }


@dataclass(frozen=True)
class PretrainConfig(RunConfig):
    """`configs/pretrain.py` as plain values; it says what each of them means."""

    profile: str
    budget_minutes: float
    output_bias: str
    data: DataConfig
    prepare: dict[str, Any]
    model: dict[str, Any]
    pairs: PairSampling
    masking: MaskingConfig
    optimizer: OptimizerConfig
    train: TrainConfig
    probe: ProbeConfig
    phases: dict[str, PhaseConfig]

    def __post_init__(self) -> None:
        if not 0 <= self.budget_minutes < float("inf"):
            raise ValueError(f"budget_minutes={self.budget_minutes} must be 0, for none, or more")
        if self.output_bias not in OUTPUT_BIASES:
            raise ValueError(
                f"output_bias={self.output_bias!r} must be one of {', '.join(OUTPUT_BIASES)}"
            )
