"""What a fine-tuning run is told to do, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bert_jax.runs.run_config import RunConfig, TrainingConfig
from bert_jax.runs.tasks import TaskSource


@dataclass(frozen=True)
class RandomModel:
    """The model to begin with where there is no checkpoint."""

    size: str
    tokenizer: str


@dataclass(frozen=True)
class TaskTraining(TrainingConfig):
    """Length and shape of training, what moves, and how often it looks up."""

    epochs: float
    eval_batch_size: int
    max_seq_length: int
    static_lengths: tuple[int, ...]
    what: str
    layer_decay: float
    reinitialize_layers: int
    new_head: bool
    evaluations: int
    patience: int

    least: ClassVar[Mapping[str, int]] = {
        **TrainingConfig.least,
        "log_every": 0,
        "eval_batch_size": 1,
        "evaluations": 1,
        "patience": 0,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs <= 0:
            raise ValueError(f"epochs={self.epochs} must be positive")
        if list(self.static_lengths) != sorted(set(self.static_lengths)):
            raise ValueError(f"static_lengths={self.static_lengths} must rise")


@dataclass(frozen=True)
class FinetuneConfig(RunConfig):
    """`configs/finetune.py` as plain values; it says what each of them means."""

    task: str
    num_seeds: int
    seeds_at_once: int
    data: TaskSource
    random: RandomModel
    model: dict[str, float]
    optimizer: dict[str, Any]
    train: TaskTraining

    def __post_init__(self) -> None:
        for name in ("num_seeds", "seeds_at_once"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
