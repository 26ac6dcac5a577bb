"""What a job of Slurm does: a run of a sweep, ended in time and begun again."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bert_jax.report.sweep.trial import STOPPED
from bert_jax.sweeps.outcome import LOG, begin, exit_code, note_outcome


class SlurmRun:
    """The run's own command, as a process of the job; of each of its tasks, where it has several.

    At the end of a job's time submitit asks for a `checkpoint` and queues the job again; then the
    run continues. Slurm queues a job again by itself that has to make room, or whose node is lost.
    How a run ended the job writes down: the sweep that submitted it may be gone by then.
    """

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        self._words = words
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Run; return the exit code.

        Raises:
            SystemExit: the run was stopped. No result then: the job may be queued again.
        """
        first = os.environ.get("SLURM_PROCID", "0") == "0"
        if first:
            begin(self._folder)
        with open(self._folder / LOG, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Slurm sends what is meant for submitit to all processes of the job.
                preexec_fn=lambda: signal.signal(signal.SIGUSR2, signal.SIG_IGN) and None,
            )
        try:
            code = exit_code(self._process.wait())
        finally:
            self._end()
        if first:
            note_outcome(self._folder, code)
        if code in STOPPED:
            sys.exit(code)
        return code

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
