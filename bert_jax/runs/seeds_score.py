"""What the runs of several seeds came to together."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bert_jax.errors import NumericsError
from bert_jax.tasks.task import Task

_SAME = 1e-9  # scores that differ by less are the same


def score_seeds(
    task: Task, outcomes: Mapping[int, Mapping[str, Any] | NumericsError], command: str
) -> dict[str, Any]:
    """Gather the scores of several seeds: their means, medians and which runs failed.

    Failed is a run whose numbers went wrong, so that it has no score, or whose best model is no
    better than saying the same of every example (Mosbach et al. 2020, arXiv:2006.04884).

    Args:
        task: what was scored.
        outcomes: by seed, the score, or what ended the run.
        command: what the user typed.

    Raises:
        NumericsError: no run has a score.
    """
    scores = {seed: found for seed, found in outcomes.items() if not isinstance(found, Exception)}
    failed = {str(seed): str(found) for seed, found in outcomes.items() if seed not in scores}
    if not scores:
        seed, reason = next(iter(failed.items()))
        raise NumericsError(f"none of {len(failed)} seeds has a score; seed {seed}: {reason}")
    by_seed: dict[str, Mapping[str, float]] = {
        str(seed): score["metrics"] for seed, score in scores.items()
    }
    primary, trivial = task.primary_metric, task.trivial_score
    for seed, metrics in by_seed.items():
        if trivial is not None and metrics[primary] <= trivial + _SAME:
            failed[seed] = (
                f"{primary} {metrics[primary]:.4g} is no more than saying the same of every "
                f"example reaches, {trivial:.4g}"
            )
    any_score = next(iter(scores.values()))
    values = {name: [found[name] for found in by_seed.values()] for name in any_score["metrics"]}
    intervals = {name: median_interval(found) for name, found in values.items()}
    return {
        "task": any_score["task"],
        "metrics": {name: float(np.mean(found)) for name, found in values.items()},
        "standard_errors": {
            name: float(np.std(found, ddof=1) / np.sqrt(len(found)))
            for name, found in values.items()
            if len(found) > 1
        },
        "medians": {name: float(np.median(found)) for name, found in values.items()},
        "median_intervals_95": {name: ends for name, ends in intervals.items() if ends},
        "seeds": list(outcomes),
        "failed": {str(seed): failed[str(seed)] for seed in outcomes if str(seed) in failed},
        "failed_share": len(failed) / len(outcomes),
        "trivial_score": trivial,
        "primary_metric": primary,
        "by_seed": by_seed,
        "examples": any_score["examples"],
        "data_fingerprint": any_score["data_fingerprint"],
        "command": command,
    }


def median_interval(values: list[float]) -> list[float] | None:
    """Give two of the values between which their distribution's median lies, 95 times in 100.

    Nothing is assumed of the distribution, which failed runs give a second peak. So it takes six
    values: a median is above or below all of five in one case of 16.
    """
    from scipy.stats import binom

    # As many values lie below the median as heads come up in so many throws of a coin.
    outside = int(binom.ppf(0.025, len(values), 0.5))
    return [sorted(values)[outside - 1], sorted(values)[-outside]] if outside else None


def spread_in_words(score: Mapping[str, Any]) -> str:
    """Say in a line how the seeds differ in the primary metric, and which of them failed."""
    name, seeds, failed = score["primary_metric"], len(score["seeds"]), score["failed"]
    ends = score["median_intervals_95"].get(name)
    interval = " (95% interval {:.4g} to {:.4g})".format(*ends) if ends else ""
    said = f"{name}: median {score['medians'][name]:.4g}{interval}; "
    if not failed:
        return f"{said}none of {seeds} runs failed"
    which = "; ".join(f"seed {seed}: {reason}" for seed, reason in failed.items())
    return f"{said}{len(failed)} of {seeds} runs failed ({which})"
