"""Runs as the jobs of a Slurm array, through submitit."""

import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, Protocol

from bert_jax.errors import ConfigError
from bert_jax.report.sweep.trial import STOPPED
from bert_jax.sweeps.grid import MOST_RUNS
from bert_jax.sweeps.launching import Process
from bert_jax.sweeps.outcome import LOG, begin, read_code
from bert_jax.sweeps.plan import PlannedRun
from bert_jax.sweeps.slurm_job import SlurmRun
from bert_jax.sweeps.slurm_options import read_options
from bert_jax.sweeps.slurm_queue import SlurmQueue, said
from bert_jax.whole import write_json

_USUAL_MINUTES = 240
_MOST_REQUEUES = 100  # a run that its time does not suffice for goes on in another job
_PATIENCE = 120.0  # seconds that a run has to save and leave before its job is cancelled
_SEEN = 30.0  # seconds until what a job wrote is seen here; NFS takes its time
_ENDED_BY_A_PERSON = ("CANCELLED", "PREEMPTED")
_JOBS = "jobs.json"


class Queue(Protocol):
    """What is known of jobs, by their names; see `SlurmQueue`."""

    def added(self, jobs: Sequence[str]) -> None: ...
    def state(self, job: str) -> str | None: ...
    def stop(self, job: str) -> None: ...
    def cancel(self, job: str) -> None: ...
    def ending(self, job: str) -> str: ...


class Slurm:
    """Submits runs as an array of jobs of which `jobs` go on at once.

    The jobs outlive the process that submitted them. They are remembered, and a later one waits
    for those that are left instead of submitting their runs again.

    Args:
        folder: where submitit keeps its files.
        jobs: of an array at once.
        options: of sbatch, "NAME=VALUE", by the names that submitit gives them.
        queue: what tells of the jobs; Slurm's by default.
        cluster: "local" runs the same jobs without Slurm.
        at_once: runs handed over to Slurm, which decides how many of them go on.

    Raises:
        ConfigError: there is no submitit or no Slurm here, or an option is unknown.
    """

    def __init__(
        self,
        folder: Path,
        jobs: int,
        options: Sequence[str],
        queue: Queue | None = None,
        cluster: str = "slurm",
        at_once: int = MOST_RUNS,
    ) -> None:
        self.at_once = at_once
        try:
            import submitit
        except ImportError as error:
            raise ConfigError(
                "--launcher=slurm: wants submitit; pip install 'bert_jax[slurm]'"
            ) from error
        known: set[str] = submitit.SlurmExecutor._valid_parameters()
        fields: dict[str, Any] = {
            "job_name": "bert_jax",
            "time": _USUAL_MINUTES,
            "array_parallelism": jobs,
            "additional_parameters": {"requeue": True},  # which a cluster may have off
        } | read_options(options, known - {"additional_parameters"})
        if "cpus_per_task" in fields:  # which srun no longer has from sbatch, since Slurm 22.05
            cpus = f"--cpus-per-task={fields['cpus_per_task']}"
            fields["srun_args"] = [cpus, *fields.get("srun_args", [])]
        self._queue = queue or SlurmQueue()
        try:
            executor = submitit.AutoExecutor(
                folder, cluster=cluster, slurm_max_num_timeout=_MOST_REQUEUES
            )
        except RuntimeError as error:
            raise ConfigError(f"--launcher=slurm: there is no Slurm here ({error})") from error
        executor.update_parameters(
            timeout_min=fields["time"], **{f"slurm_{name}": value for name, value in fields.items()}
        )
        self._executor = executor
        self._folder = folder

    def start(self, runs: Sequence[PlannedRun]) -> list[Process]:
        """Submit runs, but those that are jobs already."""
        remembered = self._remembered().items()
        jobs = {name: job for name, job in remembered if self._queue.state(job) is not None}
        new = [run for run in runs if run.name not in jobs or _is_over(read_code(run.folder))]
        if len(new) < len(runs):
            print(
                f"{len(runs) - len(new)} of {len(runs)} runs are jobs of Slurm already, from an "
                "earlier command; they are waited for as they were submitted",
                flush=True,
            )
        if new:
            submitted = self._submit(new)
            self._queue.added(submitted)
            jobs |= zip((run.name for run in new), submitted, strict=True)
            write_json(self._folder / _JOBS, jobs)
        return [_SlurmProcess(jobs[r.name], r.folder, self._queue, self._folder) for r in runs]

    def _submit(self, runs: Sequence[PlannedRun]) -> list[str]:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        for run in runs:
            begin(run.folder)
        try:
            with _of_no_job(), redirect_stderr(io.StringIO()):  # where submitit repeats sbatch
                jobs = self._executor.submit_array(
                    [SlurmRun(run.words, run.folder) for run in runs]
                )
        except (FailedJobError, FailedSubmissionError) as error:
            raise ConfigError(f"--launcher=slurm: {said(error)}; see --slurm") from error
        return [job.job_id for job in jobs]

    def _remembered(self) -> Mapping[str, str]:
        try:
            found = json.loads((self._folder / _JOBS).read_text(encoding="utf-8"))
            return {str(name): str(job) for name, job in found.items()}
        except (OSError, ValueError, AttributeError):
            return {}


class _SlurmProcess:
    def __init__(self, job: str, folder: Path, queue: Queue, files: Path) -> None:
        self._job, self._folder, self._queue, self._files = job, folder, queue, files
        self._stopped: int | None = None
        self._cancel_at = self._lost_at = float("inf")

    def poll(self) -> int | None:
        state = self._queue.state(self._job)
        if state == "PENDING":
            return None
        code = read_code(self._folder)
        if _is_over(code):
            return code
        if state is not None:  # also of one that was stopped, and may be begun again
            self._lost_at = float("inf")
            if time.monotonic() > self._cancel_at:
                self._queue.cancel(self._job)
                self._cancel_at = float("inf")
            return None
        if code is not None:
            return code
        if self._stopped is not None:  # it had not begun, or did not come to say how it ended
            return 128 + self._stopped
        self._lost_at = min(self._lost_at, time.monotonic() + _SEEN)
        if time.monotonic() < self._lost_at:
            return None
        ending = self._queue.ending(self._job)
        if ending in _ENDED_BY_A_PERSON:
            return STOPPED[0]
        with open(self._folder / LOG, "a", encoding="utf-8") as log:
            log.write(
                f"error: the job {self._job} ended{f' as {ending}' if ending else ''} without a "
                f"word of the run; see {self._files}/{self._job}_0_log.err\n"
            )
        return 1

    def at_work(self) -> bool:
        return self._queue.state(self._job) not in (None, "", "PENDING")

    def stop(self, number: int) -> None:
        self._stopped = number
        self._cancel_at = time.monotonic() + _PATIENCE
        self._queue.stop(self._job)


def _is_over(code: int | None) -> bool:
    """Tell whether a run came to its own end: one that was stopped may be begun again."""
    return code is not None and code not in STOPPED


@contextmanager
def _of_no_job():
    """Submit as if from outside of any job, whose numbers of tasks and CPUs would count."""
    told = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.startswith("SLURM_") and name != "SLURM_CONF"
    }
    try:
        yield
    finally:
        os.environ.update(told)
