"""Which of a run's models is the best, and whether a better one is still to be hoped for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class BestModel:
    """What follows an evaluation: the best parameters are kept, and patience may end.

    Attributes:
        metric: the one that says which model is better; higher is.
        keep: stores a step's parameters as the best so far.
        patience: evaluations without a better one after which training ends; 0: never.
        history: the metric at each evaluation so far.
        latest: what the model under evaluation says of each row, once it has been asked.
        scores: the same of the best so far; None where that was in an earlier start of the run.
    """

    metric: str
    keep: Callable[[int, Any], None]
    patience: int
    history: list[float]
    latest: Any = field(default=None, init=False)
    scores: Any = field(default=None, init=False)

    def __call__(self, step: int, params: Any, values: Mapping[str, float]) -> list[str]:
        """Take an evaluation in."""
        best = max(self.history, default=-float("inf"))
        self.history.append(values[self.metric])
        if values[self.metric] > best:
            self.keep(step, params)
            self.scores = self.latest
        return []

    def enough(self) -> bool:
        """Tell whether the last evaluations brought nothing better."""
        if not self.patience or not self.history:
            return False
        best = self.history.index(max(self.history))
        return len(self.history) - 1 - best >= self.patience
