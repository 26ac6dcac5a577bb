"""A run that was interrupted ends as one that never was."""

import dataclasses
import json
import os
import shutil
import signal

import jax
import numpy as np
import pytest

from bert_jax import cli
from bert_jax.runs import pretraining as runs
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.records import Records
from bert_jax.training.state import path_of

# What a clock decides.
TIMED = (
    *("sequences_per_second", "tokens_per_second", "useful_tokens_per_second"),
    *("model_flops_per_second", "peak_share"),
)


class Killed(BaseException):
    """Stands for a process that ends: nothing in the code under test catches it."""


@pytest.fixture(scope="module", autouse=True)
def one_device(with_devices):
    """Runs take all devices there are; here one of the simulated ones is enough."""
    with with_devices(1):
        yield


@pytest.fixture(scope="module")
def pairs_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "own.tsv"
    path.write_text("order\tAb cd ef.\tAb ef cd.\nword\tAb cd.\tAb gh.\n")
    return path


@pytest.fixture(scope="module")
def start(run_values, pairs_file):
    """A function that runs, or continues, the small run in a folder."""

    def run(workdir):
        values = run_values({"probe.every": 12, "probe.pairs": str(pairs_file)})
        config = cli.build(PretrainConfig, values, "config")
        return runs.run(config, values, workdir, "the command")

    return run


def outcome(workdir, assembled):
    """Arrays of the last checkpoint, as bytes, and the lines of the logs."""
    checkpoints = Checkpoints(workdir / "checkpoints", keep=2)
    state, window = checkpoints.restore(assembled().abstract_state)
    raw = dataclasses.replace(state, key=jax.random.key_data(state.key))
    arrays = {
        path_of(path): np.asarray(leaf).tobytes()
        for path, leaf in jax.tree_util.tree_leaves_with_path(raw)
    }
    return {
        "arrays": arrays,
        "window": window,
        "metrics": [
            {name: value for name, value in line.items() if name not in TIMED}
            for line in lines(workdir / "metrics.jsonl")
        ],
        "samples": (workdir / "samples.jsonl").read_text(encoding="utf-8"),
    }


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def straight(start, assembled, tmp_path_factory):
    """What a run without an interruption leaves."""
    workdir = tmp_path_factory.mktemp("runs") / "straight"
    assert start(workdir) == 0
    return outcome(workdir, assembled)


@pytest.fixture(scope="module")
def stopped_at_16(start, tmp_path_factory):
    """A run that ended while it wrote its line of step 16, after the checkpoint of step 15."""
    workdir = tmp_path_factory.mktemp("runs") / "stopped"
    whole = Records.metrics

    def until_16(self, step, split, values):
        if step == 16:
            with open(workdir / "metrics.jsonl", "a") as file:
                file.write('{"step": 16, "spl')
            raise Killed
        whole(self, step, split, values)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Records, "metrics", until_16)
        start(workdir)
    assert Checkpoints(workdir / "checkpoints", keep=2).steps() == [10, 15]
    return workdir


@pytest.fixture
def interrupted(stopped_at_16, tmp_path):
    return shutil.copytree(stopped_at_16, tmp_path / "run")


def test_a_continued_run_ends_bit_for_bit_like_one_that_never_stopped(
    interrupted, straight, start, assembled
):
    assert start(interrupted) == 0
    assert outcome(interrupted, assembled) == straight
    asked = [line["step"] for line in straight["metrics"] if line["split"] == "probe"]
    assert asked == [12, 24, 30]


def test_a_run_that_restores_less_is_noticed(
    interrupted, straight, start, assembled, monkeypatch, forgotten
):
    """The negative control of the test above."""
    assert start(interrupted) == 0
    monkeypatch.undo()
    ended = outcome(interrupted, assembled)
    name = "params/bert/pooler/dense/kernel"
    assert (ended["arrays"][name] != straight["arrays"][name]) is (forgotten != "window")
    assert ended["metrics"] != straight["metrics"]


def test_a_run_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before(
    interrupted, straight, start, assembled
):
    newest = interrupted / "checkpoints" / "00000015"
    (newest / "extra.json").write_text("{}")
    with pytest.warns(UserWarning, match="passing over a damaged checkpoint"):
        assert start(interrupted) == 0
    assert outcome(interrupted, assembled) == straight


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_same_command_goes_on(
    tmp_path, straight, start, assembled, monkeypatch, number
):
    whole = Records.metrics

    def with_signal(self, step, split, values):
        whole(self, step, split, values)
        if (step, split) == (12, "train"):
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Records, "metrics", with_signal)
    assert start(tmp_path) == 128 + number
    monkeypatch.undo()
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "stopped"
    # The signal came while step 12 was written down: no step is begun after it.
    assert Checkpoints(tmp_path / "checkpoints", keep=2).steps() == [10, 12]
    assert start(tmp_path) == 0
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "finished"
    assert outcome(tmp_path, assembled) == straight
