"""A sweep in its folder, from the first start to its table."""

from pathlib import Path

from bert_jax.errors import BertJaxError, ConfigError
from bert_jax.report.sweep.folder import read_sweep
from bert_jax.report.sweep.page import write_page
from bert_jax.sweeps.launching import Launcher, launch
from bert_jax.sweeps.plan import Plan, keep_plan
from bert_jax.sweeps.progress import Progress
from bert_jax.sweeps.table import RESULTS, describe_results, write_results
from bert_jax.training.signals import stop_requests
from bert_jax.training.workdir import locked

_FAILED = BertJaxError.exit_code


def sweep(plan: Plan, folder: Path, launcher: Launcher, metric: str) -> int:
    """Run, or continue, a sweep; return the exit code.

    Runs that have finished stay as they are, those half done continue, and those that failed are
    tried again.

    Args:
        plan: what to run.
        folder: the sweep's; each run has a folder in it.
        launcher: starts the runs.
        metric: to rank by; "" is the runs' own.

    Raises:
        ConfigError: the folder holds something else, or no run that finished has the metric.
    """
    with locked(folder), stop_requests() as stop:
        asked = keep_plan(plan, folder)
        states = {trial.name: trial.state for trial in read_sweep(folder).trials}
        left = [run for run in asked if states[run.name] != "finished"]
        others = len(states) - len(asked)
        print(
            f"{folder}: {len(asked)} runs, {len(asked) - len(left)} of them finished"
            + (f"; {others} more of an earlier command" if others else ""),
            flush=True,
        )
        if left:
            progress = Progress(folder, metric, [run.name for run in asked])
            try:
                launch(left, launcher, stop, progress)
            finally:
                progress.close()
        done = read_sweep(folder)
        write_results(done, folder / RESULTS)
        page = write_page(folder, metric)
        print(f"{describe_results(done, metric)}\nsee {folder / RESULTS} and {page}")
        if stop.number is not None:
            print("stopped; what the runs had done is saved")
            return 128 + stop.number
        mine = [trial for trial in done.trials if trial.name in {run.name for run in asked}]
        known = dict.fromkeys(name for trial in mine for name in trial.metrics or {})
        if metric and known and metric not in known:
            raise ConfigError(
                f"--metric={metric}: no run has it; they have {', '.join(known)}. The same "
                "command with one of these ranks them, and runs nothing again"
            )
        return 0 if all(trial.state == "finished" for trial in mine) else _FAILED
