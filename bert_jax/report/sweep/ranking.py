"""Which setting is best: runs that differ in the seed alone are one setting."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from bert_jax.report.sweep.folder import Sweep
from bert_jax.report.sweep.trial import Trial

SEED = "seed"
_LOWER_IS_BETTER = ("loss", "perplexity")


@dataclass(frozen=True)
class Setting:
    """Runs that differ in nothing but the seed.

    Attributes:
        overrides: what they share.
        trials: all of them, also those that failed or go on.
        values: the metric of each that has finished, the best first.
        best: the trial of the first value.
        mean: of the values.
        error: the standard error of the mean; None of fewer than two values.
    """

    overrides: dict[str, Any]
    trials: tuple[Trial, ...]
    values: tuple[float, ...]
    best: Trial | None
    mean: float | None
    error: float | None

    def told_apart_from(self, other: "Setting") -> bool | None:
        """Tell whether the means are two standard errors of their difference apart.

        None where there are not seeds enough to say.
        """
        if self.error is None or other.error is None or self.mean is None or other.mean is None:
            return None
        return abs(self.mean - other.mean) > 2 * (self.error**2 + other.error**2) ** 0.5


@dataclass(frozen=True)
class Ranking:
    """Settings by a metric, the best first; those without a value come last."""

    metric: str  # "" where no run has one
    lower_is_better: bool
    settings: tuple[Setting, ...]

    @property
    def best(self) -> Setting | None:
        """The setting in front, if any run has finished."""
        first = self.settings[0] if self.settings else None
        return first if first and first.values else None


def lower_is_better(metric: str) -> bool:
    """Tell whether a metric is one to make small."""
    return metric.rpartition("/")[2].endswith(_LOWER_IS_BETTER)


def rank(sweep: Sweep, metric: str = "") -> Ranking:
    """Order the settings of a sweep.

    Args:
        sweep: the sweep.
        metric: to go by; "" is the runs' own.
    """
    # Of a run that goes on the metric is guessed from what it has logged.
    surest = sorted(sweep.trials, key=lambda trial: trial.state != "finished")
    metric = metric or next((trial.primary for trial in surest if trial.primary), "")
    lower = lower_is_better(metric)
    groups: dict[str, list[Trial]] = {}
    for trial in sweep.trials:
        groups.setdefault(json.dumps(_shared(trial), sort_keys=True), []).append(trial)
    settings = [_setting(trials, metric, lower) for trials in groups.values()]
    sign = 1 if lower else -1
    settings.sort(key=lambda one: float("inf") if one.mean is None else sign * one.mean)
    return Ranking(metric, lower, tuple(settings))


def value_of(trial: Trial, metric: str) -> float | None:
    """Return a finished run's metric."""
    return (trial.metrics or {}).get(metric) if trial.state == "finished" else None


def _shared(trial: Trial) -> dict[str, Any]:
    return {field: value for field, value in trial.overrides.items() if field != SEED}


def _setting(trials: Sequence[Trial], metric: str, lower: bool) -> Setting:
    found = [(value_of(trial, metric), trial) for trial in trials]
    scored = [(value, trial) for value, trial in found if value is not None]
    scored.sort(key=lambda pair: pair[0], reverse=not lower)
    values = tuple(value for value, _ in scored)
    return Setting(
        overrides=_shared(trials[0]),
        trials=tuple(trials),
        values=values,
        best=scored[0][1] if scored else None,
        mean=fmean(values) if values else None,
        error=stdev(values) / len(values) ** 0.5 if len(values) > 1 else None,
    )
