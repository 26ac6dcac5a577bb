"""Several processes train one model: real ones, with four devices together, on this machine.

One run goes through it all: two processes begin it, one of them is asked to stop; one process with
one device goes on; four processes, cut in another way, and one of them is killed; one process
finishes. It has to end as a run that one process does in one go.
"""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest

from bert_jax import cli
from bert_jax.runs import pretraining
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.training.checkpoints import Checkpoints

ROOT = Path(__file__).resolve().parents[1]
NEVER = 100_000
TINY = {
    "model.hidden_size": 16,
    "model.num_hidden_layers": 1,
    "model.intermediate_size": 32,
    "optimizer.schedule": "constant",  # so that a run may be told to go on
    "optimizer.warmup_steps": 0,
    "train.max_seq_length": 16,
    "train.max_predictions": 3,
    "train.log_every": 1,
    "train.eval_every": 10,
    "train.checkpoint_every": 4,
}
# The entry as it is, with a note of what rows each call assembles.
NOTING = """
import json, os, runpy, sys
from bert_jax import process
process.settle()
from bert_jax.data import batches
assemble, path = batches.PretrainingRows.__call__, sys.argv.pop(1)
def noting(self, indices):
    if self.split.name == "train":
        with open(path, "a") as file:
            file.write(json.dumps([int(i) for i in indices]) + "\\n")
    return assemble(self, indices)
batches.PretrainingRows.__call__ = noting
runpy.run_module("bert_jax.pretrain", run_name="__main__")
"""


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class Started:
    """Processes of the entry, what they print, and the rows that they assemble."""

    def __init__(self, count, folder, values, workdir, environment):
        folder.mkdir()
        flags = {**{f"config.{name}": value for name, value in values.items()}, "workdir": workdir}
        flags |= {"coordinator": f"127.0.0.1:{free_port()}", "num_processes": count}
        environment = environment | {"JAX_NUM_CPU_DEVICES": str(4 // count)}
        self.folder, self.processes = folder, []
        for index in range(count):
            words = [sys.executable, "-c", NOTING, str(folder / f"rows{index}")]
            words += ["--config=configs/quickstart.py", f"--process_id={index}"]
            words += [f"--{name}={value}" for name, value in flags.items()]
            with open(folder / f"out{index}", "wb") as out, open(folder / f"err{index}", "wb") as e:
                self.processes.append(
                    subprocess.Popen(words, cwd=ROOT, env=environment, stdout=out, stderr=e)
                )

    def until(self, step, checkpoints):
        """Wait for a checkpoint of a step or a later one."""
        while max(checkpoints.steps(), default=0) < step:
            assert all(process.poll() is None for process in self.processes), self.errors()
            time.sleep(0.05)

    def codes(self):
        return [process.wait(timeout=120) for process in self.processes]

    def errors(self):
        indices = range(len(self.processes))
        return [(self.folder / f"err{index}").read_text() for index in indices]

    def printed(self, index):
        return (self.folder / f"out{index}").read_text()

    def rows(self, index):
        lines = (self.folder / f"rows{index}").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture(scope="module")
def alone(run_values, with_devices):
    """A function (workdir, steps) that runs, or goes on with, the run on one device of this one."""

    def run(workdir, steps):
        values = run_values(TINY | {"train.steps": steps})
        config = cli.build(PretrainConfig, values, "config")
        with with_devices(1):
            assert pretraining.run(config, values, workdir, "the command") == 0

    return run


def by_place(workdir):
    """The lines of metrics by step and split; there is one of each."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    found = {(line["step"], line["split"]): line for line in lines}
    assert len(found) == len(lines)
    return found


@pytest.fixture(scope="module")
def story(alone, small_overrides, corpus_directory, quick_environment, tmp_path_factory):
    """The run that went through it all, the steps where it changed hands, and both starts."""
    folder = tmp_path_factory.mktemp("processes")
    workdir, started = folder / "run", []
    checkpoints = Checkpoints(workdir / "checkpoints", keep=2)

    def start(count, mesh):
        values = small_overrides | TINY | mesh
        values |= {"data.path": str(corpus_directory), "train.steps": NEVER}
        began = folder / f"start{len(started)}"
        started.append(Started(count, began, values, workdir, quick_environment))
        return started[-1]

    try:
        stopped = start(2, {"mesh.data": 1, "mesh.fsdp": 4})  # parameters cut over both
        stopped.until(4, checkpoints)
        stopped.processes[1].terminate()
        codes = [stopped.codes()]
        steps = [checkpoints.steps()[-1]]
        status = json.loads((workdir / "run.json").read_text())["status"]
        alone(workdir, steps[0] + 3)
        # Each row on all devices, and cut by its tokens.
        killed = start(4, {"mesh.data": 1, "mesh.tensor": 2, "mesh.sequence": 2})
        killed.until(steps[0] + 6, checkpoints)
        killed.processes[1].kill()
        since = time.monotonic()
        codes.append(killed.codes())
        seconds = time.monotonic() - since
        steps += [steps[0] + 3, checkpoints.steps()[-1]]
        end = steps[-1] + 3
        alone(workdir, end)
    finally:
        for processes in started:
            processes.end()
    return {
        "workdir": workdir, "steps": steps, "end": end, "codes": codes, "status": status,
        "stopped": stopped, "killed": killed, "seconds": seconds,
    }  # fmt: skip


def test_sigterm_to_one_makes_both_leave_after_the_same_step(story):
    assert story["codes"][0] == [143, 143], story["stopped"].errors()
    assert story["status"] == "stopped"
    assert f"stopped by SIGTERM at step {story['steps'][0]}" in story["stopped"].printed(0)


def test_a_killed_process_makes_the_others_leave_and_say_which(story):
    assert story["codes"][1] == [9, -signal.SIGKILL, 9, 9]
    assert story["seconds"] < 60
    (line,) = [e for e in story["killed"].errors()[0].splitlines() if e.startswith("error: ")]
    # By the roll that process 0 calls, or among all where JAX ended it: then JAX names it above.
    assert f"1 on {socket.gethostname()}" in line and "the same command" in line


def test_only_the_first_prints(story):
    for start in (story["stopped"], story["killed"]):
        # Gloo writes there too, in pieces from several threads.
        for told in ("parameters; 4 x cpu as", "train pairs"):
            assert told in start.printed(0)
            others = range(1, len(start.processes))
            assert not any(told in start.printed(index) for index in others)


def test_each_process_assembles_the_rows_of_its_devices_alone(story):
    first, second = (story["stopped"].rows(index)[:3] for index in range(2))
    assert first == [[8 * step + i for i in range(4)] for step in range(3)]
    assert second == [[8 * step + i for i in range(4, 8)] for step in range(3)]
    after = 8 * story["steps"][1]
    for index in range(4):
        assert story["killed"].rows(index)[0] == list(range(after, after + 8))


def test_the_run_ends_as_one_that_one_process_did_in_one_go(story, alone, tmp_path):
    alone(tmp_path / "straight", story["end"])
    expected, found = (by_place(workdir) for workdir in (tmp_path / "straight", story["workdir"]))
    assert {step for step, _ in found} == set(range(1, story["end"] + 1))
    for place, line in expected.items():
        for name in ("loss", "mlm_loss", "nsp_loss"):
            assert found[place][name] == pytest.approx(line[name], rel=1e-5), (place, name)
        assert found[place]["mlm_accuracy"] == line["mlm_accuracy"]


def test_nothing_half_written_is_left(story):
    names = [path.name for path in story["workdir"].rglob("*")]
    assert not [name for name in names if "partial" in name or "orbax-checkpoint-tmp" in name]
    assert len(list((story["workdir"] / "tensorboard").iterdir())) == 4  # one a start


def test_this_process_never_joined_any_other():
    assert jax.process_count() == 1
