"""The jobs of a Slurm array: run by submitit on this machine, or by nobody, as each test wants."""

import json
import sys

import pytest

from bert_jax.errors import ConfigError
from bert_jax.sweeps import launching, slurm
from bert_jax.sweeps.grid import MOST_RUNS
from bert_jax.sweeps.launchers import make_launcher
from bert_jax.sweeps.launching import launch
from bert_jax.sweeps.local import Local
from bert_jax.sweeps.outcome import note_outcome
from bert_jax.sweeps.plan import PlannedRun
from bert_jax.sweeps.slurm import Slurm
from bert_jax.sweeps.slurm_job import SlurmRun
from bert_jax.training.signals import StopRequest

pytest.importorskip("submitit")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(launching, "_BETWEEN_LOOKS", 0.05)
    monkeypatch.setattr(slurm, "_SEEN", 0.0)


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


class Told:
    """A queue that says what a test tells it."""

    def __init__(self, **states):
        self.states, self.endings, self.calls = states, {}, []

    def added(self, jobs):
        self.states |= dict.fromkeys(jobs, "PENDING")

    def state(self, job):
        return self.states.get(job)

    def stop(self, job):
        self.calls.append(("stop", job))

    def cancel(self, job):
        self.calls.append(("cancel", job))

    def ending(self, job):
        return self.endings.get(job, "")


class Here(Told):
    """Slurm is this machine: jobs are processes that submitit starts here."""

    def submitting(self, tmp_path, at_once):
        launcher = Slurm(tmp_path / "slurm", at_once, [], queue=self, cluster="local")
        self.jobs, submit = {}, launcher._executor.submit_array

        def remembering(runs):
            jobs = submit(runs)
            self.jobs |= {job.job_id: job for job in jobs}
            return jobs

        launcher._executor.submit_array = remembering
        return launcher

    def state(self, job):
        return None if self.jobs[job].done() else "RUNNING"

    def run(self, tmp_path, runs):
        """Launch runs; return who watched."""
        watcher = Watcher()
        launch(runs, self.submitting(tmp_path, len(runs)), StopRequest(), watcher)
        for job in self.jobs.values():
            job.wait()
        return watcher


def test_jobs_run_the_same_commands_and_tell_how_they_ended(tmp_path):
    runs = [
        run_of(tmp_path, "good", "print('done')"),
        run_of(tmp_path, "refused", "import sys; print('error: no such file'); sys.exit(3)"),
    ]
    watcher = Here().run(tmp_path, runs)
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
    watcher = Here().run(tmp_path, [run])
    assert log.read_text() == "started saved started "
    assert watcher.codes == {"run": 0}


@pytest.fixture
def submitted(tmp_path, answers):
    """A function (queue, names, options) that starts runs as jobs 12_0, 12_1, ... of no Slurm."""
    answers.say("sbatch", "Submitted batch job 12\n")

    def submit(queue, names=("run", "other"), options=()):
        runs = [run_of(tmp_path, name, "raise SystemExit(0)") for name in names]
        return Slurm(tmp_path / "slurm", 1, options, queue=queue).start(runs)

    return submit


STOPPED_ONCE = """
import pathlib, sys
first = not pathlib.Path("MARK").exists()
pathlib.Path("MARK").write_text("")
sys.exit(143 if first else 0)
"""


# A job has no threads when it starts its run; a test's process may have imported JAX.
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_run_that_makes_room_is_not_over_until_it_was_begun_again(tmp_path, submitted):
    queue = Told()
    process, _ = submitted(queue)
    program = STOPPED_ONCE.replace("MARK", str(tmp_path / "mark"))
    job = SlurmRun(("-c", program), tmp_path / "run")
    queue.states["12_0"] = "RUNNING"
    with pytest.raises(SystemExit, match="143"):  # so submitit writes no result
        job()
    assert process.poll() is None  # as it ends there
    queue.states["12_0"] = "PENDING"  # Slurm queues it again
    assert process.poll() is None
    queue.states["12_0"] = "RUNNING"
    assert job() == 0
    assert process.poll() == 0


def test_a_job_that_a_person_cancelled_is_a_run_that_was_stopped(submitted):
    queue = Told()
    process, _ = submitted(queue)
    queue.states.clear()
    queue.endings["12_0"] = "CANCELLED"
    assert process.poll() == 143


def test_a_job_that_is_gone_without_a_word_is_a_run_that_failed(tmp_path, submitted, monkeypatch):
    monkeypatch.setattr(slurm, "_SEEN", 1e6)
    queue = Told()
    process, _ = submitted(queue)
    queue.states["12_0"], queue.endings["12_0"] = "RUNNING", "OUT_OF_MEMORY"
    assert process.poll() is None
    queue.states.clear()
    assert process.poll() is None  # what it wrote may be on its way
    process._lost_at = 0.0
    assert process.poll() == 1
    error = note_outcome(tmp_path / "run", 1)
    assert "the job 12_0 ended as OUT_OF_MEMORY without a word of the run; see" in error
    assert error.endswith("slurm/12_0_0_log.err")


def test_a_run_that_was_told_to_stop_has_its_time_and_then_no_more(submitted, monkeypatch):
    monkeypatch.setattr(slurm, "_PATIENCE", 0.0)
    queue = Told()
    waiting, running = submitted(queue)
    queue.states["12_1"] = "RUNNING"
    assert not waiting.at_work() and running.at_work()
    for process in (waiting, running):
        process.stop(2)
        assert process.poll() is None
    assert queue.calls == [("stop", "12_0"), ("stop", "12_1"), ("cancel", "12_1")]
    queue.states.clear()
    assert (waiting.poll(), running.poll()) == (130, 130)


def test_jobs_of_an_earlier_command_are_waited_for_and_not_submitted_again(
    tmp_path, submitted, answers, capsys
):
    submitted(Told(), names=("left", "gone", "failed"))
    note_outcome(tmp_path / "failed", 3)
    answers.say("sbatch", "Submitted batch job 13\n")
    queue = Told(**{"12_0": "RUNNING", "12_2": "COMPLETING"})  # the last one's job just ends
    processes = submitted(queue, names=("left", "gone", "failed", "new"))
    assert [process._job for process in processes] == ["12_0", "13_0", "13_1", "13_2"]
    assert "1 of 4 runs are jobs of Slurm already" in capsys.readouterr().out
    assert not (tmp_path / "failed" / "outcome.json").exists()


def test_runs_that_are_chosen_are_submitted_one_by_one(tmp_path, submitted, answers):
    sizes = [
        make_launcher("slurm", tmp_path, 2, [], chosen=chosen).at_once for chosen in (False, True)
    ]
    assert sizes == [MOST_RUNS, 2]
    queue = Told()
    for number, name in ((12, "first"), (13, "second")):
        answers.say("sbatch", f"Submitted batch job {number}\n")
        submitted(queue, names=(name,))
    jobs = json.loads((tmp_path / "slurm" / "jobs.json").read_text())
    assert jobs == {"first": "12", "second": "13"}  # of one run no array is made


def test_slurm_is_asked_for_what_was_said_as_from_outside_of_a_job(
    tmp_path, submitted, answers, monkeypatch
):
    monkeypatch.setenv("SLURM_NTASKS", "4")  # of the job that the sweep itself may be in
    monkeypatch.setenv("SLURM_CONF", "/somewhere")
    submitted(Told(), options=["cpus-per-task=8", "time=1-00", "setup=module load cuda"])
    lines = (tmp_path / "slurm" / "12_submission.sh").read_text().splitlines()
    wanted = ["--array=0-1%1", "--cpus-per-task=8", "--requeue", "--time=1440"]
    assert [line for line in wanted if f"#SBATCH {line}" not in lines] == []
    assert "module load cuda" in lines
    (command,) = [line for line in lines if line.startswith("srun ")]
    assert " --cpus-per-task=8 " in command
    environment = (answers.folder / "sbatch.environment").read_text().splitlines()
    names = [line for line in environment if line.startswith("SLURM_")]
    assert names == ["SLURM_CONF=/somewhere"]


def test_what_slurm_refuses_is_one_line(submitted, answers, capfd):
    answers.fail("sbatch", "sbatch: error: invalid partition specified: gpu\nsbatch: error: more\n")
    with pytest.raises(ConfigError, match="=slurm: sbatch: error: invalid partition .*: gpu; see"):
        submitted(Told())
    assert capfd.readouterr().err == ""


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


def test_without_slurm_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="--launcher=slurm: there is no Slurm here"):
        make_launcher("slurm", tmp_path, 1, [])


def test_without_submitit_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"wants submitit; pip install 'bert_jax\[slurm\]'"):
        make_launcher("slurm", tmp_path, 1, [])


def test_runs_here_need_no_submitit(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert isinstance(make_launcher("local", tmp_path, 3, []), Local)
