"""With a real Slurm, where there is one; `experiments/2026-11-25_slurm` says how to have one."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bert_jax.sweeps.launching import launch
from bert_jax.sweeps.plan import PlannedRun
from bert_jax.sweeps.slurm import Slurm
from bert_jax.training.signals import StopRequest

pytest.importorskip("submitit")
pytestmark = pytest.mark.processes
ROOT = Path(__file__).resolve().parents[2]


def told(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, cwd=ROOT)
    return done.stdout if done.returncode == 0 else ""


@pytest.fixture(autouse=True)
def slurm():
    """Nodes elsewhere would not see the folders of a test."""
    if shutil.which("sinfo") is None:
        pytest.skip("no Slurm is installed here")
    if set(told("sinfo", "--noheader", "--format=%n").split()) != {socket.gethostname()}:
        pytest.skip("no Slurm answers here whose only node is this machine")


class Watcher:
    def __init__(self):
        self.codes, self.errors, self.most = {}, {}, 0

    def look(self, live):
        self.most = max(self.most, len(live))

    def ended(self, run, code, error):
        self.codes[run.name], self.errors[run.name] = code, error

    def say(self, text):
        raise AssertionError(text)


# As a run of ours does on SIGTERM; the first start asks Slurm for another.
QUEUED_AGAIN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("started", flush=True)
if "SLURM_RESTART_COUNT" not in os.environ:
    job = "{SLURM_ARRAY_JOB_ID}_{SLURM_ARRAY_TASK_ID}".format(**os.environ)
    subprocess.run(["scontrol", "requeue", job], check=True)
    time.sleep(60)
"""
KILLED = "import os, signal; os.kill(os.getppid(), signal.SIGKILL); os.kill(os.getpid(), 9)"


def test_jobs_are_run_queued_again_lost_and_told_apart(tmp_path):
    """Takes more than two minutes: that long Slurm keeps what it queues again."""
    programs = {
        "again": QUEUED_AGAIN,
        "refused": "import sys; print('error: no such file'); sys.exit(3)",
        "killed": KILLED,
    }
    runs = [PlannedRun(name, tmp_path / name, ("-c", text)) for name, text in programs.items()]
    watcher = Watcher()
    launch(runs, Slurm(tmp_path / "slurm", 3, ["time=5"]), StopRequest(), watcher)
    assert watcher.codes == {"again": 0, "refused": 3, "killed": 1}
    assert watcher.errors["refused"] == "no such file"
    assert "ended as FAILED without a word of the run; see" in watcher.errors["killed"]
    assert (tmp_path / "again" / "output.log").read_text() == "started\nstarted\n"
    assert watcher.most > 0


def test_a_stop_ends_those_that_run_saved_and_those_that_wait(tmp_path):
    waits = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"pathlib.Path({str(tmp_path)!r}, 'ready').touch()\ntime.sleep(60)"
    )
    runs = [PlannedRun(name, tmp_path / name, ("-c", waits)) for name in ("runs", "waits")]
    request, watcher = StopRequest(), Watcher()

    def look(live):
        if (tmp_path / "ready").exists():
            request.number = 2

    watcher.look = look
    begun = time.monotonic()
    launch(runs, Slurm(tmp_path / "slurm", 1, ["time=5"]), request, watcher)
    assert watcher.codes["runs"] == 143 and watcher.codes["waits"] == 130
    assert not (tmp_path / "waits" / "output.log").exists()
    assert time.monotonic() - begun < 55  # or it slept to its end


JOINS = """
import sys, jax
from bert_jax.training.joining import joined
with joined(None, None, None, 60.0):
    print(f"process {jax.process_index()} of {jax.process_count()}", file=sys.stderr)
"""


def test_tasks_come_together_unasked():
    words = ["srun", "--ntasks=2", "--time=2", sys.executable, "-c", JOINS]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd=ROOT)
    lines = sorted(line for line in done.stderr.splitlines() if line.startswith("process "))
    assert lines == ["process 0 of 2", "process 1 of 2"], done.stderr
