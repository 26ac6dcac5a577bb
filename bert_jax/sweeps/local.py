"""Runs as processes on this machine."""

import os
import subprocess
import sys
from collections.abc import Sequence

from bert_jax.sweeps.launching import Process
from bert_jax.sweeps.outcome import LOG, begin, exit_code
from bert_jax.sweeps.plan import PlannedRun


class Local:
    """Starts runs as processes of this machine, `jobs` at once."""

    def __init__(self, jobs: int) -> None:
        self.at_once = jobs

    def start(self, runs: Sequence[PlannedRun]) -> list[Process]:
        """Start runs."""
        return [_LocalProcess(run) for run in runs]


class _LocalProcess:
    def __init__(self, run: PlannedRun) -> None:
        begin(run.folder)
        with open(run.folder / LOG, "ab") as log:
            # In a session of its own it does not get the terminal's Ctrl-C beside the signal
            # that is passed on: a second one would end it unsaved.
            self._process = subprocess.Popen(
                [sys.executable, *run.words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    def poll(self) -> int | None:
        returned = self._process.poll()
        return None if returned is None else exit_code(returned)

    def at_work(self) -> bool:
        return self.poll() is None

    def stop(self, number: int) -> None:
        self._process.send_signal(number)
