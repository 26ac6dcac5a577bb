"""The entry as a user meets it: a process with a command, an exit code and a folder."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.state import path_of
from bert_jax.training.workdir import locked

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[1]
TIMED = (
    *("sequences_per_second", "tokens_per_second", "useful_tokens_per_second"),
    *("model_flops_per_second", "peak_share"),
)
STEPS = 60


@pytest.fixture(scope="module")
def command(small_overrides, text_file):
    """A function (workdir, changes by dotted name) that gives the command of a small run."""

    def make(workdir, changes=None):
        overrides = small_overrides | {"train.steps": STEPS, "data.path": text_file}
        overrides |= {"prepare.format": "sentences"} | (changes or {})
        return [
            *(sys.executable, "-m", "bert_jax.pretrain", "--config=configs/quickstart.py"),
            *(f"--config.{name}={value}" for name, value in overrides.items()),
            f"--workdir={workdir}",
        ]

    return make


def environment():
    """A user's: one device, and no checks of shapes."""
    return {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}


def call(words):
    return subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def arrays(workdir, like):
    """Parameters, optimizer state, step and key of the last checkpoint, as bytes."""
    state, window = Checkpoints(workdir / "checkpoints", keep=2).restore(like)
    raw = dataclasses.replace(state, key=jax.random.key_data(state.key))
    leaves = jax.tree_util.tree_leaves_with_path(raw)
    return {path_of(path): np.asarray(leaf).tobytes() for path, leaf in leaves} | window


def untimed(workdir):
    return [
        {name: value for name, value in line.items() if name not in TIMED}
        for line in lines(workdir / "metrics.jsonl")
    ]


@pytest.fixture(scope="module")
def finished(command, tmp_path_factory):
    """A run from a text file to its end, and what it printed."""
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    done = call(command(workdir))
    assert done.returncode == 0, done.stderr
    return workdir, done.stdout


def test_a_run_leaves_a_folder_that_says_all_about_it(finished):
    workdir, printed = finished
    names = {path.name for path in workdir.iterdir()}
    assert names >= {
        *("config.json", "run.json", "model.json", "parameters.json", "parameters.txt"),
        *("metrics.jsonl", "samples.jsonl", "pairs.json", "report.html"),
        *("corpus", "tokenizer", "checkpoints", "tensorboard"),
    }
    assert not any(".partial" in name for name in names)
    run = json.loads((workdir / "run.json").read_text())
    assert run["status"] == "finished" and run["num_devices"] == 1
    assert run["command"].startswith("python -m bert_jax.pretrain --config=configs/quickstart.py")
    config = json.loads((workdir / "config.json").read_text())
    assert config["train"]["steps"] == STEPS
    assert f"products in {config['compute_dtype']};" in printed
    assert Checkpoints(workdir / "checkpoints", keep=2).steps() == [55, 60]
    assert any((workdir / "tensorboard").iterdir())
    assert (workdir / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert str(workdir / "report.html") in printed


def test_metrics_have_the_fields_that_others_read(finished):
    found = {split: [] for split in ("train", "validation")}
    for line in lines(finished[0] / "metrics.jsonl"):
        found[line["split"]].append(line)
    shared = {"step", "split", "loss", "mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy"}
    speeds = {"sequences_per_second", "tokens_per_second", "learning_rate"}
    assert [line["step"] for line in found["train"]] == list(range(4, 61, 4))
    assert [line["step"] for line in found["validation"]] == list(range(10, 61, 10))
    assert all(line.keys() >= shared | speeds for line in found["train"])
    assert all(line.keys() >= shared | {"mlm_perplexity"} for line in found["validation"])
    for line in found["train"]:
        assert line["loss"] == pytest.approx(line["mlm_loss"] + line["nsp_loss"])


def test_samples_show_the_same_sentences_each_time(finished):
    shown = lines(finished[0] / "samples.jsonl")
    assert [line["step"] for line in shown] == list(range(10, 61, 10))
    texts = [[sentence["text"] for sentence in line["sentences"]] for line in shown]
    assert texts[0] and all(text == texts[0] for text in texts)
    for mask in shown[-1]["sentences"][0]["masks"]:
        probabilities = [probability for _, probability in mask["top"]]
        assert len(probabilities) == 5 and probabilities == sorted(probabilities, reverse=True)


def test_the_same_command_says_that_a_run_is_finished(finished, command):
    workdir, _ = finished
    before = {path: path.stat().st_mtime_ns for path in (workdir / "checkpoints").rglob("*")}
    metrics = (workdir / "metrics.jsonl").read_bytes()
    again = call(command(workdir))
    assert again.returncode == 0, again.stderr
    assert f"finished at step {STEPS}" in again.stdout
    assert (workdir / "metrics.jsonl").read_bytes() == metrics
    assert before == {p: p.stat().st_mtime_ns for p in (workdir / "checkpoints").rglob("*")}


def start_until(words, workdir, step):
    """Start a run and return its process once it has saved a step."""
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    checkpoints = Checkpoints(workdir / "checkpoints", keep=2)
    deadline = time.monotonic() + 300
    while max(checkpoints.steps(), default=0) < step:
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return process


def test_a_run_killed_three_times_ends_bit_for_bit_like_one_never_killed(
    finished, command, assembled, tmp_path
):
    draw = random.Random()
    workdir = tmp_path / "killed"
    for step in (5, 20, 35):
        process = start_until(command(workdir), workdir, step)
        time.sleep(draw.uniform(0, 0.2))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert max(Checkpoints(workdir / "checkpoints", keep=2).steps()) < STEPS
    # The last start is asked to stop, and the one after it goes on to the end.
    process = start_until(command(workdir), workdir, 45)
    process.terminate()
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert json.loads((workdir / "run.json").read_text())["status"] == "stopped"
    done = call(command(workdir))
    assert done.returncode == 0, done.stderr
    like = assembled({"train.steps": STEPS, "data.path": str(workdir / "corpus")}).abstract_state
    assert arrays(workdir, like) == arrays(finished[0], like)
    assert untimed(workdir) == untimed(finished[0])
    samples = [path / "samples.jsonl" for path in (workdir, finished[0])]
    assert samples[0].read_bytes() == samples[1].read_bytes()


def test_a_misspelt_field_is_one_line_that_names_the_nearest(command, tmp_path):
    done = call(command(tmp_path / "run", {"train.batchsize": 8}))
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "train.batchsize" in line and "the nearest is config.train.batch_size" in line
    assert list(tmp_path.iterdir()) == []


def test_missing_text_is_one_line(command, tmp_path):
    done = call(command(tmp_path / "run", {"data.path": "nowhere.txt"}))
    assert done.returncode == 3
    (line,) = done.stderr.strip().splitlines()
    assert "nowhere.txt" in line
    assert not (tmp_path / "run" / "corpus").exists()


def test_a_folder_in_use_is_one_line(command, tmp_path):
    with locked(tmp_path):
        done = call(command(tmp_path))
    assert done.returncode == 7
    (line,) = done.stderr.strip().splitlines()
    assert f"in use by process {os.getpid()}" in line
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
