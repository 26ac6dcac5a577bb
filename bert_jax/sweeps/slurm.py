"""Runs as the jobs of a Slurm array, through submitit."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bert_jax.errors import ConfigError
from bert_jax.sweeps.grid import MOST_RUNS
from bert_jax.sweeps.launching import Process
from bert_jax.sweeps.outcome import LOG, exit_code
from bert_jax.sweeps.plan import PlannedRun

_USUAL_MINUTES = 240
_PATIENCE = 120.0  # seconds that a cancelled job has to end; without accounting Slurm never tells
_MOST_REQUEUES = 100  # a run that its time does not suffice for goes on in another job


class Slurm:
    """Submits runs as an array of jobs of which `jobs` go on at once.

    Args:
        folder: where submitit keeps its files.
        jobs: of the array at once.
        options: of sbatch, by the names that submitit gives them: "partition", "time" (minutes).
        cluster: "local" runs the same jobs without Slurm.

    Raises:
        ConfigError: there is no submitit or no Slurm here, or an option is unknown.
    """

    at_once = MOST_RUNS  # how many of them go on, Slurm decides

    def __init__(
        self, folder: Path, jobs: int, options: Mapping[str, str], cluster: str = "slurm"
    ) -> None:
        try:
            import submitit
        except ImportError as error:
            raise ConfigError(
                "--launcher=slurm: wants submitit; pip install 'bert_jax[slurm]'"
            ) from error
        known: set[str] = submitit.SlurmExecutor._valid_parameters()
        for name in options:
            if name not in known:
                raise ConfigError(
                    f"--slurm {name}={options[name]}: no such option of sbatch in submitit; there "
                    f"are {', '.join(sorted(known))}"
                )
        try:
            executor = submitit.AutoExecutor(
                folder, cluster=cluster, slurm_max_num_timeout=_MOST_REQUEUES
            )
        except RuntimeError as error:
            raise ConfigError(f"--launcher=slurm: there is no Slurm here ({error})") from error
        fields: dict[str, Any] = {
            "slurm_job_name": "bert_jax",
            "slurm_time": _USUAL_MINUTES,
            "slurm_array_parallelism": jobs,
        }
        fields |= {
            f"slurm_{name}": int(value) if value.isdecimal() else value
            for name, value in options.items()
        }
        executor.update_parameters(timeout_min=fields["slurm_time"], **fields)
        self._executor = executor

    def start(self, runs: Sequence[PlannedRun]) -> list[Process]:
        """Submit runs."""
        jobs = self._executor.submit_array([SlurmRun(run.words, run.folder) for run in runs])
        return [_SlurmProcess(job, run.folder) for job, run in zip(jobs, runs, strict=True)]


class SlurmRun:
    """What a job does: the run's own command, ended in time where the job is.

    At the end of a job's time, or when it has to make room, submitit asks for a `checkpoint` and
    queues the job again; then the run continues.
    """

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        self._words = words
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Run; return the exit code."""
        with open(self._folder / LOG, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Slurm may send what is meant for submitit to all processes of the job.
                preexec_fn=lambda: signal.signal(signal.SIGUSR2, signal.SIG_IGN) and None,
            )
        try:
            return exit_code(self._process.wait())
        finally:
            self._end()

    def checkpoint(self) -> Any:
        """End the run, saved; return what is to be queued."""
        from submitit.helpers import DelayedSubmission

        self._end()
        return DelayedSubmission(SlurmRun(self._words, self._folder))

    def _end(self) -> None:
        """Ask the run to save and leave, and wait until it has."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        # Not by `wait`: a signal's handler would wait for the lock that the call it interrupts has.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)


class _SlurmProcess:
    def __init__(self, job: Any, folder: Path) -> None:
        self._job = job
        self._folder = folder
        self._stopped: int | None = None
        self._lost_after = math.inf

    def poll(self) -> int | None:
        if not self._job.done():
            lost = time.monotonic() > self._lost_after
            return 128 + self._stopped if lost and self._stopped is not None else None
        if self._job.exception() is None:
            return int(self._job.result())
        if self._stopped is not None:  # it had not begun, or had no time to say how it ended
            return 128 + self._stopped
        with open(self._folder / LOG, "a", encoding="utf-8") as log:
            log.write(
                f"error: the job {self._job.job_id} ended without a word of the run; see "
                f"{self._job.paths.stderr}\n"
            )
        return 1

    def stop(self, number: int) -> None:
        self._stopped = number
        self._lost_after = time.monotonic() + _PATIENCE
        self._job.cancel(check=False)
