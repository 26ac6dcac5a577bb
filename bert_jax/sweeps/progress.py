"""What a person sees while a sweep goes on: a bar over all runs, and a line for each that ends."""

import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from tqdm import tqdm

from bert_jax.report.sweep.folder import Sweep, read_sweep
from bert_jax.report.sweep.ranking import rank, value_of
from bert_jax.report.sweep.trial import Trial
from bert_jax.sweeps.plan import PlannedRun
from bert_jax.sweeps.table import RESULTS, write_results

_BETWEEN_LOOKS = 5.0  # seconds
_COST = 20  # times as long as a look takes is there no other; each reads what all runs have written


class Progress:
    """Progress over the runs of a sweep, with its table kept up to date.

    Args:
        folder: the sweep's.
        metric: to show of a run that has finished; "" for the runs' own.
        names: of the runs that this command asks for; more may come.
        total: how many they are to be in the end.
    """

    def __init__(self, folder: Path, metric: str, names: Collection[str], total: int) -> None:
        self._folder = folder
        self._metric = metric
        self._names = names
        self._total = total
        self._not_before = 0.0
        self._terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=total,
            disable=not self._terminal,
            dynamic_ncols=True,
            bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
        )
        # Those that failed before are tried again, so they are not done.
        self._bar.initial = self._bar.n = sum(t.share for t in self._mine(read_sweep(folder)))

    def look(self, live: Sequence[PlannedRun]) -> None:
        """Move the bar to where the runs are."""
        begin = time.monotonic()
        if not self._terminal or begin < self._not_before:
            return
        sweep = read_sweep(self._folder)
        self._bar.n = self._done(sweep)
        self._bar.set_postfix_str(f"{self._counts(sweep)}, {len(live)} at work")
        cost = time.monotonic() - begin
        self._not_before = begin + max(_BETWEEN_LOOKS, _COST * cost)

    def ended(self, run: PlannedRun, code: int, error: str) -> None:
        """Say how a run ended, and write the table."""
        sweep = read_sweep(self._folder)
        write_results(sweep, self._folder / RESULTS)
        (trial,) = (trial for trial in sweep.trials if trial.name == run.name)
        words = f"{trial.state}, exit code {code}: {error}" if error else trial.state
        metric = rank(sweep, self._metric).metric
        value = value_of(trial, metric)
        if value is not None:
            words += f", {metric} {value:.4g}"
        self.say(f"{run.name}: {words} ({self._counts(sweep)})")

    def say(self, text: str) -> None:
        """Print a line without disturbing the bar."""
        if self._terminal:
            tqdm.write(text)
        else:
            print(text, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()

    def _done(self, sweep: Sweep) -> float:
        """Count the runs that are done, parts of runs too; a failed one is over."""
        return sum(1.0 if t.state == "failed" else t.share for t in self._mine(sweep))

    def _mine(self, sweep: Sweep) -> list[Trial]:
        return [trial for trial in sweep.trials if trial.name in self._names]

    def _counts(self, sweep: Sweep) -> str:
        mine = [trial.state for trial in self._mine(sweep)]
        text = f"{mine.count('finished')} of {self._total} finished"
        return f"{text}, {mine.count('failed')} failed" if "failed" in mine else text
