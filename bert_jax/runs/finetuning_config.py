"""What a fine-tuning run is told to do, as plain values."""

from dataclasses import dataclass
from typing import Any

from bert_jax.runs.tasks import TaskSource
from bert_jax.training.sharding import MeshConfig


@dataclass(frozen=True)
class RandomModel:
    """The model to begin with where there is no checkpoint."""

    size: str
    tokenizer: str


@dataclass(frozen=True)
class TaskTraining:
    """Length and shape of training, what moves, and how often it looks up."""

    epochs: float
    batch_size: int
    eval_batch_size: int
    gradient_accumulation: int
    max_seq_length: int
    static_lengths: tuple[int, ...]
    what: str
    layer_decay: float
    reinitialize_layers: int
    new_head: bool
    evaluations: int
    patience: int
    log_every: int
    checkpoint_every: int
    skipped_steps_limit: int
    watchdog_seconds: float

    def __post_init__(self) -> None:
        least = {
            "batch_size": 1,
            "eval_batch_size": 1,
            "gradient_accumulation": 1,
            "evaluations": 1,
            "patience": 0,
        }
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {value}")
        if self.epochs <= 0:
            raise ValueError(f"epochs={self.epochs} must be positive")
        if self.batch_size % self.gradient_accumulation:
            raise ValueError(
                f"batch_size={self.batch_size} is not a multiple of "
                f"gradient_accumulation={self.gradient_accumulation}"
            )
        if list(self.static_lengths) != sorted(set(self.static_lengths)):
            raise ValueError(f"static_lengths={self.static_lengths} must rise")


@dataclass(frozen=True)
class FinetuneConfig:
    """`configs/finetune.py` as plain values; it says what each of them means."""

    task: str
    init_from: str | None
    seed: int
    num_seeds: int
    compute_dtype: str
    scan_layers: bool
    rematerialize: str
    data: TaskSource
    random: RandomModel
    model: dict[str, float]
    optimizer: dict[str, Any]
    train: TaskTraining
    mesh: MeshConfig
    rules: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if self.num_seeds < 1:
            raise ValueError(f"num_seeds={self.num_seeds} must be at least 1")
