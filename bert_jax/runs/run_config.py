"""What every run is told to do, whatever it trains, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bert_jax import cli
from bert_jax.errors import ConfigError
from bert_jax.model import BertConfig, Execution, kernel_of
from bert_jax.training.sharding import MeshConfig, Sharding, make_mesh
from bert_jax.training.skipping import SpikeGuard


@dataclass(frozen=True)
class TrainingConfig:
    """Shape of a batch, and how often the loop looks up.

    Raises:
        ValueError: a value is below its least, or a batch cannot be cut into its parts.
    """

    batch_size: int
    gradient_accumulation: int
    log_every: int
    checkpoint_every: int
    skipped_steps_limit: int
    spike_factor: float
    spike_window: int
    watchdog_seconds: float

    least: ClassVar[Mapping[str, int]] = {
        "batch_size": 1,
        "gradient_accumulation": 1,
        "log_every": 1,
        "checkpoint_every": 1,
        "skipped_steps_limit": 1,
    }

    def __post_init__(self) -> None:
        for name, value in self.least.items():
            if getattr(self, name) < value:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {value}")
        if self.batch_size % self.gradient_accumulation:
            raise ValueError(
                f"batch_size={self.batch_size} is not a multiple of "
                f"gradient_accumulation={self.gradient_accumulation}"
            )
        _ = self.guard

    @property
    def guard(self) -> SpikeGuard:
        """Which gradients are too large to be followed."""
        return SpikeGuard(self.spike_factor, self.spike_window)


@dataclass(frozen=True)
class RunConfig:
    """Where a run begins, and how and on which devices it is computed."""

    seed: int
    init_from: str | None
    compute_dtype: str
    activation_dtype: str
    scan_layers: bool
    rematerialize: str
    attention: str
    mesh: MeshConfig
    rules: dict[str, tuple[str, ...]]

    def execution(self, model: BertConfig, platform: str, length: int) -> Execution:
        """Gather how the model is computed.

        Args:
            model: what is trained.
            platform: of the devices: "cpu", "gpu" or "tpu".
            length: tokens of the longest row that it is trained on.

        Raises:
            ConfigError: a value is not one of those known, or there is no such attention here.
        """
        names = ("compute_dtype", "activation_dtype", "scan_layers", "rematerialize")
        values = {name: getattr(self, name) for name in names}
        if self.attention not in ("auto", "plain", "fused"):
            raise ConfigError(
                f"config.attention={self.attention!r} must be 'auto', 'plain' or 'fused'"
            )
        if self.attention == "fused" or self.attention == "auto" and platform == "gpu":
            try:
                values["attention"] = kernel_of(platform, model, self.compute_dtype, length)
            except ValueError as error:
                if self.attention == "fused":
                    raise ConfigError(f"config.attention='fused': {error}") from error
        return cli.build(Execution, values, "config")

    def sharding(self, devices: list[Any] | None = None) -> Sharding:
        """Lay the mesh over devices; by default over those that are there.

        Raises:
            ConfigError: it does not fit them, or a rule does not fit it.
        """
        return Sharding(make_mesh(self.mesh, devices), self.rules)
