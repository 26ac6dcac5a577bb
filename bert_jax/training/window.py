"""What the loop knows of the steps behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from bert_jax.errors import CheckpointError
from bert_jax.objectives.objective import Metrics


@dataclass
class Window:
    """What the loop knows of the steps behind it; kept in checkpoints to continue exactly.

    Attributes:
        sums: of each metric since the last line was logged: numerator, denominator.
        skipped_in_a_row: steps.
        norms: (step, norm) of the last finite gradients, where spikes are watched for.
    """

    sums: dict[str, list[float]] = field(default_factory=dict)
    skipped_in_a_row: int = 0
    norms: list[tuple[int, float]] = field(default_factory=list)

    @classmethod
    def kept(cls, values: Mapping[str, Any]) -> "Window":
        """Take up what a checkpoint kept; what a version before did not know is empty.

        Raises:
            CheckpointError: it holds what this version does not know.
        """
        unknown = sorted(set(values) - {known.name for known in fields(cls)})
        if unknown:
            raise CheckpointError(
                f"the checkpoint keeps {', '.join(unknown)} of the steps before it, which this "
                "version does not know; continue with the version that wrote it"
            )
        return cls(**values)

    def add(self, metrics: Metrics) -> None:
        """Add a step's metrics; of a step that was skipped, that it was."""
        skipped = float(metrics["skipped"].numerator) > 0
        for name in ["skipped"] if skipped else metrics:
            entry = self.sums.setdefault(name, [0.0, 0.0])
            entry[0] += float(metrics[name].numerator)
            entry[1] += float(metrics[name].denominator)
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if skipped else 0

    def means(self) -> dict[str, float]:
        """Divide, and begin a new window."""
        means = {name: top / max(bottom, 1e-9) for name, (top, bottom) in self.sums.items()}
        self.sums = {}
        return means
