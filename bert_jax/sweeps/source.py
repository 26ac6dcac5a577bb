"""What says which runs a sweep has: all of them before the first, or one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bert_jax.report.sweep.trial import Trial
from bert_jax.sweeps.plan import Plan, PlannedRun, keep_plan


class Source(Protocol):
    """A sweep's runs; their state is in its folder and nowhere else."""

    @property
    def total(self) -> int:
        """How many runs there are to be in the end."""
        ...

    def keep(self, folder: Path) -> list[PlannedRun]:
        """Store the runs that are known so far, and return them.

        Raises:
            ConfigError: the folder holds something else.
        """
        ...

    def is_over(self, trial: Trial, folder: Path) -> bool:
        """Tell whether one of them is not to be started again."""
        ...

    def more(self, folder: Path, metric: str) -> Iterator[PlannedRun]:
        """Give the others; each is stored, and is asked for when it can be started."""
        ...


@dataclass(frozen=True)
class Listed:
    """All runs of a plan."""

    plan: Plan

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.plan.overrides)

    def keep(self, folder: Path) -> list[PlannedRun]:
        """Store them all."""
        return keep_plan(self.plan, folder)

    def is_over(self, trial: Trial, folder: Path) -> bool:
        """Tell whether a run has finished; one that failed is tried again."""
        return trial.state == "finished"

    def more(self, folder: Path, metric: str) -> Iterator[PlannedRun]:
        """Give no others."""
        return iter(())
