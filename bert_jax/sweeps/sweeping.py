"""A sweep in its folder, from the first start to its table."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from bert_jax.errors import BertJaxError, ConfigError
from bert_jax.report.sweep.folder import read_sweep
from bert_jax.report.sweep.page import write_page
from bert_jax.sweeps.launching import Launcher, launch
from bert_jax.sweeps.plan import PlannedRun
from bert_jax.sweeps.progress import Progress
from bert_jax.sweeps.source import Source
from bert_jax.sweeps.table import RESULTS, describe_results, write_results
from bert_jax.training.signals import stop_requests
from bert_jax.training.workdir import locked

_FAILED = BertJaxError.exit_code


def sweep(source: Source, folder: Path, launcher: Launcher, metric: str) -> int:
    """Run, or continue, a sweep; return the exit code.

    Runs that have finished stay as they are, those half done continue, those that failed are tried
    again; then come those that are chosen by what the others came to, if any are.

    Args:
        source: what to run.
        folder: the sweep's; each run has a folder in it.
        launcher: starts the runs.
        metric: to rank by; "" is the runs' own.

    Raises:
        ConfigError: the folder holds something else, or no run that finished has the metric.
    """
    with locked(folder), stop_requests() as stop:
        asked = source.keep(folder)
        trials = {trial.name: trial for trial in read_sweep(folder).trials}
        left = [run for run in asked if not source.is_over(trials[run.name], folder)]
        finished = sum(trials[run.name].state == "finished" for run in asked)
        total, others = max(source.total, len(asked)), len(trials) - len(asked)
        print(
            f"{folder}: {total} runs, {finished} of them finished"
            + (f"; {others} more of an earlier command" if others else ""),
            flush=True,
        )
        names = {run.name for run in asked}
        if left or len(asked) < total:
            progress = Progress(folder, metric, names, total)

            def more() -> Iterator[PlannedRun]:
                for run in source.more(folder, metric):
                    names.add(run.name)
                    yield run

            try:
                launch(itertools.chain(left, more()), launcher, stop, progress)
            finally:
                progress.close()
        done = read_sweep(folder)
        write_results(done, folder / RESULTS)
        page = write_page(folder, metric)
        print(f"{describe_results(done, metric)}\nsee {folder / RESULTS} and {page}")
        if stop.number is not None:
            print("stopped; what the runs had done is saved")
            return 128 + stop.number
        mine = [trial for trial in done.trials if trial.name in names]
        known = dict.fromkeys(name for trial in mine for name in trial.metrics or {})
        if metric and known and metric not in known:
            raise ConfigError(
                f"--metric={metric}: no run has it; they have {', '.join(known)}. The same "
                "command with one of these ranks them, and runs nothing again"
            )
        if len(names) < total:
            print(f"only {len(names)} of {total} runs: no other setting was found that can be run")
        return 0 if all(trial.state == "finished" for trial in mine) else _FAILED
