"""The entry as a user meets it: a sweep killed in the middle and continued, and bad commands."""

import csv
import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bert_jax.data.wordpiece import SPECIAL_TOKENS

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[1]
WORDS = "a film of the year that we saw twice".split()
STEPS = 1000  # of some milliseconds: enough that a run is met in the middle
FIELDS = {
    "init_from": "random",
    "train.epochs": STEPS / 2,
    "train.batch_size": 8,
    "train.eval_batch_size": 8,
    "train.max_seq_length": 8,
    "train.evaluations": 2,
}
# The model has two layers, so that runs with 9 fail; they do so in their own process.
GRID = ("--grid=train.reinitialize_layers=0,9", "--grid=seed=0:2")
NAMES = [f"reinitialize_layers={layers},seed={seed}" for layers in (0, 9) for seed in (0, 1)]
ERROR = "config.train.reinitialize_layers=9: the model has 2"


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    """A folder with 16 rows to train on, 8 to validate with, and a vocabulary."""
    folder, draw = tmp_path_factory.mktemp("toy"), random.Random(0)
    for name, count in (("train", 16), ("dev", 8)):
        rows = [f"{' '.join(draw.choices(WORDS, k=4))}\t{draw.choice('ab')}" for _ in range(count)]
        (folder / f"{name}.tsv").write_text("\n".join(["text\tlabel", *rows, ""]))
    vocabulary = "".join(f"{word}\n" for word in (*SPECIAL_TOKENS, *WORDS))
    (folder / "vocab.txt").write_text(vocabulary)
    return folder


@pytest.fixture(scope="module")
def command(toy):
    """A function (workdir, words) that gives the command of a sweep of toy runs."""

    def make(workdir, *words, verb="finetune", fields=FIELDS):
        paths = {"data.path": toy, "random.tokenizer": toy / "vocab.txt"}
        return [
            *(sys.executable, "-m", "bert_jax.sweep", f"--verb={verb}"),
            "--config=configs/finetune.py:own,cpu",
            *(f"--config.{name}={value}" for name, value in (fields | paths).items()),
            *words,
            f"--workdir={workdir}",
        ]

    return make


@pytest.fixture(scope="module")
def call(quick_environment):
    """A function (words) that runs a command to its end."""

    def run(words):
        return subprocess.run(
            words, cwd=ROOT, env=quick_environment, capture_output=True, text=True
        )

    return run


def rows(workdir):
    with open(workdir / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def swept(command, call, quick_environment, tmp_path_factory):
    """A sweep told to stop in its second run, continued, and asked for once more.

    The first run has finished by then, the third and fourth are yet to fail.
    """
    workdir = tmp_path_factory.mktemp("sweeps") / "sweep"
    log = workdir / NAMES[1] / "output.log"
    process = subprocess.Popen(
        command(workdir, *GRID), cwd=ROOT, env=quick_environment, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 600
    while not log.exists() or f"step 20/{STEPS}" not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=300)
    stopped = {"code": process.returncode, "printed": printed, "rows": rows(workdir)}
    before = times(workdir / NAMES[0])
    done = call(command(workdir, *GRID))
    return workdir, stopped, before, done


def test_a_signal_stops_the_sweep_with_what_was_done_saved(swept):
    _, stopped, _, _ = swept
    assert stopped["code"] == 143
    assert [row["state"] for row in stopped["rows"]] == [
        "finished",
        "stopped",
        "waiting",
        "waiting",
    ]
    assert f"{NAMES[0]}: finished, accuracy 0." in stopped["printed"]
    assert "not finished: 3; the same command continues" in stopped["printed"]
    assert "stopped; what the runs had done is saved" in stopped["printed"]


def test_continued_it_repeats_nothing_that_was_done(swept):
    workdir, _, before, _ = swept
    assert times(workdir / NAMES[0]) == before
    lines = (workdir / NAMES[1] / "metrics.jsonl").read_text().splitlines()
    found = [(line["step"], line["split"]) for line in map(json.loads, lines)]
    steps = {
        split: [step for step, of in found if of == split] for split in ("train", "validation")
    }
    assert steps == {
        "train": list(range(20, STEPS + 1, 20)),
        "validation": [STEPS // 2, STEPS],
    }
    printed = (workdir / NAMES[1] / "output.log").read_text()
    stopped = int(re.findall(r"stopped by SIGTERM at step (\d+), saved", printed)[0])
    assert 20 <= stopped < STEPS
    assert printed.count(f"step {STEPS}/{STEPS}  train") == 1
    assert printed.count(f"step 20/{STEPS}  train") == 1


def test_runs_that_fail_are_in_the_table_with_their_error(swept):
    workdir, _, _, done = swept
    assert done.returncode == 1
    assert done.stdout.startswith(f"{workdir}: 4 runs, 1 of them finished\n")
    found = rows(workdir)
    assert [row["run"] for row in found] == NAMES
    assert [row["state"] for row in found] == ["finished", "finished", "failed", "failed"]
    assert [ERROR in row["error"] for row in found] == [False, False, True, True]
    assert [row["train.reinitialize_layers"] for row in found] == ["0", "0", "9", "9"]
    scores = [json.loads((workdir / name / "score.json").read_text()) for name in NAMES[:2]]
    assert [float(row["accuracy"]) for row in found[:2]] == [
        score["metrics"]["accuracy"] for score in scores
    ]
    assert f"{NAMES[2]}: failed, exit code 2: {ERROR}" in done.stdout


def test_the_best_command_is_the_one_that_was_run(swept):
    workdir, _, _, done = swept
    lines = done.stdout.splitlines()
    printed = lines[lines.index("the best run's command:") + 1].strip()
    commands = [
        json.loads((workdir / name / "run.json").read_text())["command"] for name in NAMES[:2]
    ]
    assert printed in commands
    assert f"see {workdir / 'results.csv'} and {workdir / 'report.html'}" in done.stdout
    assert printed.split()[-1].removeprefix("--workdir=").rpartition("/")[2].split(",")[0] in (
        workdir / "report.html"
    ).read_text(encoding="utf-8")


def test_another_metric_ranks_what_is_there(swept, command, call):
    workdir = swept[0]
    before = times(workdir / NAMES[0]) | times(workdir / NAMES[1])
    seeds = ("--grid=train.reinitialize_layers=0", "--grid=seed=0:2")
    done = call(command(workdir, *seeds, "--metric=macro_f1"))
    assert done.returncode == 0, done.stderr
    assert "2 runs, 2 of them finished; 2 more of an earlier command" in done.stdout
    assert "\n   macro_f1  std. error  runs  reinitialize_layers\n" in done.stdout
    again = call(command(workdir, *seeds, "--metric=f2"))
    assert again.returncode == 2
    assert "--metric=f2: no run has it; they have accuracy, macro_f1." in again.stderr
    assert times(workdir / NAMES[0]) | times(workdir / NAMES[1]) == before


def test_another_sweep_is_refused(swept, command, call):
    workdir = swept[0]
    before = (workdir / "sweep.json").read_bytes()
    done = call(command(workdir, *GRID, fields=FIELDS | {"train.epochs": 2.0}))
    assert done.returncode == 2
    assert "holds another sweep (train.epochs: was 500.0, now 2.0); more values" in done.stderr
    assert (workdir / "sweep.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "verb", "message"),
    [
        (["--grid=seed=0:2"], "train", "--verb=train: wants pretrain or finetune"),
        (
            ["--grid=seed=0:2", "--search=train.batch_size=8..16", "--trials=4"],
            "finetune",
            "wants one of --grid=FIELD=VALUE,VALUE, --sweep=FILE and --search=FIELD=LOW..HIGH",
        ),
        (
            ["--search=train.epoch=1..4", "--trials=4"],
            "finetune",
            "--search train.epoch: no such field; the nearest is train.epochs",
        ),
        (["--grid=seed="], "finetune", "--grid seed=: no values"),
        (["--grid=sed=1"], "finetune", "--grid sed: no such field; the nearest is seed"),
        (["--grid=seed=1.5"], "finetune", "--grid seed=1.5: invalid literal for int()"),
        (
            ["--grid=train.batch_size=8", "--grid=seed=1"],
            "finetune",
            "--grid train.batch_size: --config.train.batch_size=8 fixes it for all runs",
        ),
        (
            ["--grid=train.gradient_accumulation=3"],
            "finetune",
            "--grid train.gradient_accumulation=3: config.train: batch_size=8 is not a multiple",
        ),
        (["--sweep=none.py"], "finetune", "--sweep=none.py: there is no such file here"),
        (["--sweep=TOY/my_sweep.py"], "finetune", "my_sweep.py: sed: no such field; the nearest"),
        (["--grid=seed=1", "--jobs=0"], "finetune", "jobs=0"),
    ],
)
def test_a_bad_command_is_one_line_before_anything_starts(
    command, call, toy, tmp_path, words, verb, message
):
    (toy / "my_sweep.py").write_text("def sweep():\n    yield {'sed': 1}\n")
    words = [word.replace("TOY", str(toy)) for word in words]
    done = call(command(tmp_path / "sweep", *words, verb=verb))
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.strip().split("\n")
    assert line.startswith("error: ") and message in line
    assert not (tmp_path / "sweep").exists()
