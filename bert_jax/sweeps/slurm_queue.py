"""The jobs that Slurm has, by its own commands: `squeue`, `scontrol`, `scancel`.

Not by `sacct`, which wants accounting that many clusters do without.
"""

import re
import subprocess
import time
from collections.abc import Sequence

from bert_jax.errors import ConfigError

_BETWEEN_LOOKS = 5.0  # seconds; one look is for all jobs
_ANSWER = 60.0  # seconds that a command may take
_AT_ONCE = 500  # jobs in one command


class SlurmQueue:
    """The user's jobs, as they were some seconds ago; names are as in "12_3".

    Raises:
        ConfigError: there is no Slurm that answers.
    """

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._looked = self._wanted = -float("inf")  # moments
        self._stopping: list[str] = []
        try:
            self._read()
        except OSError as error:
            raise ConfigError(f"--launcher=slurm: there is no Slurm here ({error})") from error
        except subprocess.SubprocessError as error:
            raise ConfigError(
                f"--launcher=slurm: Slurm does not answer here ({said(error)}); is this a machine "
                "that jobs are submitted from?"
            ) from error

    def added(self, jobs: Sequence[str]) -> None:
        """Hear of new jobs, which an earlier look cannot have seen."""
        del jobs
        self._wanted = time.monotonic()

    def state(self, job: str) -> str | None:
        """Return a job's state in Slurm's word; "" if not known, None once Slurm has it no more.

        One that is to be begun again is "PENDING", as one that never began.
        """
        if self._stopping:
            self._stop_all()
        if time.monotonic() > self._looked + _BETWEEN_LOOKS or self._looked < self._wanted:
            try:
                self._read()
            except (OSError, subprocess.SubprocessError):
                # A controller that is restarted or busy: what it had it still has.
                self._looked = time.monotonic()
                return self._states.get(job, "")
        return self._states.get(job)

    def stop(self, job: str) -> None:
        """Ask for a job's run to save and leave; one that has not begun is cancelled.

        Not by cancelling it: Slurm would kill it after `KillWait`, 30 seconds on most clusters.
        """
        self._stopping.append(job)

    def cancel(self, job: str) -> None:
        """Have Slurm end a job."""
        _tell("scancel", job)

    def ending(self, job: str) -> str:
        """Say how a job that is over ended, in Slurm's word: "OUT_OF_MEMORY"; "" if forgotten."""
        try:
            told = _ask("scontrol", "show", "job", "--oneliner", job)
        except (OSError, subprocess.SubprocessError):
            return ""
        found = re.search(r"\bJobState=(\w+)", told)
        return found.group(1) if found else ""

    def _read(self) -> None:
        begun = time.monotonic()
        told = _ask("squeue", "--me", "--array", "--noheader", "--format=%i %T")
        self._states = dict(line.split() for line in told.splitlines() if len(line.split()) == 2)
        self._looked = begun

    def _stop_all(self) -> None:
        jobs, self._stopping = self._stopping, []
        for begin in range(0, len(jobs), _AT_ONCE):
            some = jobs[begin : begin + _AT_ONCE]
            _tell("scancel", "--state=PENDING", *some)
            _tell("scancel", "--signal=TERM", *some)
        self._wanted = time.monotonic()


def said(error: Exception) -> str:
    """Return the line in which a command of Slurm says why it failed."""
    text = str(getattr(error, "stderr", "") or "").strip() or str(error).strip()
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line]
    return (errors or lines or [type(error).__name__])[0]


def _ask(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=_ANSWER).stdout


def _tell(*words: str) -> None:
    """Give a command that is not vital: a job that has just ended cannot be ended."""
    try:
        subprocess.run(words, capture_output=True, timeout=_ANSWER)
    except (OSError, subprocess.SubprocessError):
        pass
