"""A run as a sequence of phases, each with a batch size, a length and a place in the schedule."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import optax

from bert_jax.errors import ConfigError
from bert_jax.training.optimizer import OptimizerConfig
from bert_jax.training.schedules import Schedule, joined, learning_rate


@dataclass(frozen=True)
class PhaseConfig:
    """What a later phase changes; None keeps what held before.

    Attributes:
        steps: how many of the run's last steps it takes.
        batch_size: rows a step.
        max_seq_length: tokens a sequence.
        max_predictions: masked tokens a sequence at most.
        packed_length: tokens of a row that several sequences share; 0: a row a sequence.
        packed_sequences: sequences in such a row at most.
        gradient_accumulation: parts a batch is computed in.
        restart_schedule: warm up and decay anew over this phase's steps; otherwise the schedule
            runs on. Moments of the optimizer are kept in both.
        learning_rate: peak after a restart.
        warmup_steps: after a restart.
    """

    steps: int
    batch_size: int | None = None
    max_seq_length: int | None = None
    max_predictions: int | None = None
    packed_length: int | None = None
    packed_sequences: int | None = None
    gradient_accumulation: int | None = None
    restart_schedule: bool = False
    learning_rate: float | None = None
    warmup_steps: int | None = None


@dataclass(frozen=True)
class Phase:
    """A stretch of steps [start, end) of one shape."""

    name: str
    index: int
    start: int
    end: int
    batch_size: int
    max_seq_length: int
    max_predictions: int
    gradient_accumulation: int
    packed_length: int = 0
    packed_sequences: int = 1

    @property
    def row_length(self) -> int:
        """Tokens of a row, padding included."""
        return self.packed_length or self.max_seq_length


@dataclass(frozen=True)
class Plan:
    """All phases and the learning rate over the whole run."""

    phases: tuple[Phase, ...]
    rate: optax.Schedule


def plan_phases(
    steps: int,
    first: Phase,
    later: Mapping[str, PhaseConfig],
    optimizer: OptimizerConfig,
) -> Plan:
    """Lay phases out over a run: the named ones take its last steps, in their order.

    Args:
        steps: of the whole run.
        first: the phase the run begins with; its start and end are set here.
        later: the phases after it, in order.
        optimizer: schedule of the first phase, and of what a later one does not change.

    Raises:
        ConfigError: the later phases leave no step for the first, or a value is not positive.
    """
    remaining = steps - sum(phase.steps for phase in later.values())
    if steps < 1 or remaining < 1:
        raise ConfigError(
            f"config.train.steps={steps}: at least one step has to be left for the first phase"
            + (f" beside those of config.phases ({steps - remaining})" if later else "")
        )
    phases = [replace(first, start=0, end=remaining)]
    schedule = Schedule(
        optimizer.learning_rate,
        optimizer.warmup_steps,
        optimizer.schedule,
        optimizer.end_learning_rate,
    )
    restarts = [(0, schedule)]
    for index, (name, change) in enumerate(later.items(), start=1):
        before = phases[-1]
        if change.steps < 1:
            raise ConfigError(f"config.phases.{name}.steps={change.steps} must be at least 1")
        phases.append(
            Phase(
                name=name,
                index=index,
                start=before.end,
                end=before.end + change.steps,
                batch_size=change.batch_size or before.batch_size,
                max_seq_length=change.max_seq_length or before.max_seq_length,
                max_predictions=change.max_predictions or before.max_predictions,
                gradient_accumulation=change.gradient_accumulation or before.gradient_accumulation,
                packed_length=(
                    before.packed_length if change.packed_length is None else change.packed_length
                ),
                packed_sequences=change.packed_sequences or before.packed_sequences,
            )
        )
        if change.restart_schedule:
            schedule = Schedule(
                change.learning_rate or schedule.peak,
                schedule.warmup_steps if change.warmup_steps is None else change.warmup_steps,
                schedule.shape,
                schedule.end,
            )
            restarts.append((before.end, schedule))
        elif change.learning_rate is not None or change.warmup_steps is not None:
            raise ConfigError(
                f"config.phases.{name}: learning_rate and warmup_steps apply to a restarted "
                "schedule; set restart_schedule=True too"
            )
    ends = [start for start, _ in restarts[1:]] + [steps]
    pieces = [
        (start, learning_rate(piece, end - start))
        for (start, piece), end in zip(restarts, ends, strict=True)
    ]
    for phase in phases:
        _check(phase)
    return Plan(tuple(phases), joined(pieces))


def _check(phase: Phase) -> None:
    for name in (
        *("batch_size", "max_seq_length", "max_predictions", "gradient_accumulation"),
        "packed_sequences",
    ):
        if getattr(phase, name) < 1:
            raise ConfigError(f"config.train.{name}={getattr(phase, name)} must be at least 1")
    if phase.packed_length and phase.packed_length < phase.max_seq_length:
        raise ConfigError(
            f"config.train.packed_length={phase.packed_length} of the {phase.name} phase is less "
            f"than its max_seq_length={phase.max_seq_length}, which a row has to take; give it at "
            "least that, or 0 for a row a sequence"
        )
    if phase.batch_size % phase.gradient_accumulation:
        raise ConfigError(
            f"config.train.batch_size={phase.batch_size} is not a multiple of "
            f"gradient_accumulation={phase.gradient_accumulation}"
        )
