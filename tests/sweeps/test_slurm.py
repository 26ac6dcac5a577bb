"""The jobs of a Slurm array, run by submitit on this machine."""

import json
import shutil
import sys
import time

import pytest

from bert_jax.errors import ConfigError
from bert_jax.sweeps import launching, slurm
from bert_jax.sweeps.launchers import make_launcher
from bert_jax.sweeps.launching import launch
from bert_jax.sweeps.local import Local
from bert_jax.sweeps.outcome import begin
from bert_jax.sweeps.plan import PlannedRun
from bert_jax.sweeps.slurm import Slurm
from bert_jax.training.signals import StopRequest

pytest.importorskip("submitit")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(launching, "_BETWEEN_LOOKS", 0.05)


class Watcher:
    def __init__(self):
        self.codes = {}
        self.errors = {}

    def look(self, live):
        pass

    def ended(self, run, code, error):
        self.codes[run.name] = code
        self.errors[run.name] = error

    def say(self, text):
        raise AssertionError(text)


def run_of(tmp_path, name, program):
    return PlannedRun(name, tmp_path / name, ("-c", program))


def test_jobs_run_the_same_commands_and_tell_how_they_ended(tmp_path):
    runs = [
        run_of(tmp_path, "good", "print('done')"),
        run_of(tmp_path, "refused", "import sys; print('error: no such file'); sys.exit(3)"),
    ]
    watcher = Watcher()
    launch(runs, Slurm(tmp_path / "slurm", 2, {}, cluster="local"), StopRequest(), watcher)
    assert watcher.codes == {"good": 0, "refused": 3}
    assert watcher.errors == {"good": "", "refused": "no such file"}
    assert (tmp_path / "good" / "output.log").read_text() == "done\n"
    assert json.loads((tmp_path / "refused" / "outcome.json").read_text())["code"] == 3


OUT_OF_TIME = """
import os, pathlib, signal, sys, time
log = pathlib.Path("LOG")
again = log.exists()
def write(word):
    with open(log, "a") as file:
        file.write(word)
def leave(number, frame):
    write("saved ")
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, leave)
write("started ")
if not again:
    os.kill(os.getpid(), signal.SIGUSR2)  # as Slurm does at the end of a job's time: to all
    os.kill(os.getppid(), signal.SIGUSR2)
    time.sleep(60)
"""


def test_a_job_whose_time_is_over_saves_and_goes_on_in_another(tmp_path):
    log = tmp_path / "log"
    run = run_of(tmp_path, "run", OUT_OF_TIME.replace("LOG", str(log)))
    watcher = Watcher()
    launch([run], Slurm(tmp_path / "slurm", 1, {}, cluster="local"), StopRequest(), watcher)
    assert log.read_text() == "started saved started "
    assert watcher.codes == {"run": 0}


def test_a_job_that_does_not_say_how_it_ended_is_not_waited_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "_PATIENCE", 0.1)
    launcher = Slurm(tmp_path / "slurm", 1, {}, cluster="local")
    run = run_of(tmp_path, "run", "import time; time.sleep(3)")
    begin(run.folder)
    (process,) = launcher.start([run])
    monkeypatch.setattr(process._job, "cancel", lambda check: None)  # which Slurm may lose
    process.stop(15)
    assert process.poll() is None
    time.sleep(0.2)
    assert process.poll() == 143
    process._job.wait()


def test_a_job_that_is_gone_is_a_run_that_failed(tmp_path):
    program = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    watcher = Watcher()
    launcher = Slurm(tmp_path / "slurm", 1, {}, cluster="local")
    launch([run_of(tmp_path, "run", program)], launcher, StopRequest(), watcher)
    assert watcher.codes == {"run": 1}
    assert "ended without a word of the run; see" in watcher.errors["run"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("slurm", ["partion=gpu"], "--slurm partion=gpu: no such option of sbatch .*partition"),
        ("slurm", ["time"], "--slurm time: wants NAME=VALUE"),
        ("local", ["partition=gpu"], "--slurm partition=gpu: is for --launcher=slurm"),
        ("cloud", [], "--launcher=cloud: wants local or slurm"),
    ],
)
def test_a_launcher_that_cannot_be_is_refused(tmp_path, name, options, message):
    with pytest.raises(ConfigError, match=message):
        make_launcher(name, tmp_path, 1, options)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("srun") is not None, reason="there is a Slurm here")
def test_without_slurm_it_says_so(tmp_path):
    with pytest.raises(ConfigError, match="--launcher=slurm: there is no Slurm here"):
        make_launcher("slurm", tmp_path, 1, [])


def test_without_submitit_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"wants submitit; pip install 'bert_jax\[slurm\]'"):
        make_launcher("slurm", tmp_path, 1, [])


def test_runs_here_need_no_submitit(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert isinstance(make_launcher("local", tmp_path, 3, []), Local)
