"""A search: the values of the next run are chosen by what the runs before came to.

What it knows stands in the sweep's folder alone: the runs that were chosen in `sweep.json`, what
became of them in their own files. All of it is read again before each choice.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bert_jax.errors import ConfigError, NumericsError
from bert_jax.report.sweep.folder import Sweep, is_sweep, read_sweep
from bert_jax.report.sweep.ranking import rank, value_of
from bert_jax.report.sweep.trial import Trial
from bert_jax.sweeps.grid import MOST_RUNS
from bert_jax.sweeps.outcome import read_code
from bert_jax.sweeps.plan import Plan, PlannedRun, keep_plan
from bert_jax.sweeps.sampler import Told, need_optuna, suggestions
from bert_jax.sweeps.space import Check, Space, read_space

_MOST_SUGGESTIONS = 1000  # looked at until one is new and can be


@dataclasses.dataclass(frozen=True)
class Search:
    """Runs chosen one after the other.

    Attributes:
        plan: what all have in common.
        space: what is chosen from.
        trials: runs in the space that there are to be, those of earlier commands included.
        seed: of the choices.
        check: whether a run can be.
    """

    plan: Plan
    space: Space
    trials: int
    seed: int
    check: Check

    @property
    def total(self) -> int:
        """How many runs there are to be."""
        return self.trials

    def keep(self, folder: Path) -> list[PlannedRun]:
        """Return the runs in the space that were chosen, or asked for, before."""
        sweep = read_sweep(folder) if is_sweep(folder) else None
        before = [self.space.texts(places) for _, places in self._inside(sweep)] if sweep else []
        return self._keep(before, folder)

    def is_over(self, trial: Trial, folder: Path) -> bool:
        """Tell whether a run has finished; or failed by its values, which would do so again."""
        diverged = read_code(folder / trial.name) == NumericsError.exit_code
        return trial.state == "finished" or (trial.state == "failed" and diverged)

    def more(self, folder: Path, metric: str) -> Iterator[PlannedRun]:
        """Choose runs until there are enough, or no other can be found."""
        while True:
            sweep = read_sweep(folder)
            known = {name for trial in sweep.trials for name in trial.metrics or {}}
            nothing_to_learn = metric and known and metric not in known
            if len(self._inside(sweep)) >= self.trials or nothing_to_learn:
                return
            chosen = self._choose(sweep, metric)
            if chosen is None:
                return
            yield from self._keep([chosen], folder)

    def _choose(self, sweep: Sweep, metric: str) -> dict[str, str] | None:
        """Choose a run that is new and whose config can be."""
        ranking = rank(sweep, metric)
        inside = self._inside(sweep)
        seen = [self.space.texts(places) for _, places in inside]
        suggested = suggestions(
            self.space,
            [_told(trial, places, value_of(trial, ranking.metric)) for trial, places in inside],
            lower_is_better=ranking.lower_is_better,
            seed=self.seed,
        )
        for places in itertools.islice(suggested, _MOST_SUGGESTIONS):
            texts = self.space.texts(self.space.rounded(places))
            if texts in seen:
                continue
            seen.append(texts)
            try:
                self.check([texts])
            except ConfigError:  # values that do not go together, each of which can be by itself
                continue
            return texts
        return None

    def _keep(self, runs: Sequence[dict[str, str]], folder: Path) -> list[PlannedRun]:
        overrides = tuple(self.check(runs))
        return keep_plan(dataclasses.replace(self.plan, overrides=overrides), folder)

    def _inside(self, sweep: Sweep) -> list[tuple[Trial, dict[str, float]]]:
        """List the runs that stand in the space, with where."""
        found = [(trial, self.space.places(trial.overrides)) for trial in sweep.trials]
        return [(trial, places) for trial, places in found if places is not None]


def make_search(
    plan: Callable[..., Plan], texts: Sequence[str], trials: int | None, seed: int, check: Check
) -> Search:
    """Make a search from the command line.

    Args:
        plan: makes a plan of overrides and a space.
        texts: of the fields; see `read_space`.
        trials: how many runs there are to be, of earlier commands too.
        seed: of the choices, from 0.
        check: whether runs can be.

    Raises:
        ConfigError: there is no Optuna, or what is asked for cannot be.
    """
    if trials is None:
        raise ConfigError("--search: wants --trials=N, how many runs there are to be")
    if trials > MOST_RUNS:
        raise ConfigError(f"--trials={trials}: a sweep has at most {MOST_RUNS:,} runs")
    space = read_space(texts, check)
    if trials >= space.size:
        raise ConfigError(
            f"--trials={trials}: the search has {space.size} settings; --grid runs them all"
        )
    need_optuna()
    return Search(plan((), space.as_json()), space, trials, seed, check)


def _told(trial: Trial, places: dict[str, float], value: float | None) -> Told:
    if value is not None and math.isfinite(value):
        return Told(places, "finished", value)
    over = trial.state in ("finished", "failed")
    return Told(places, "failed" if over else "running")
