"""A fine-tuning run that was killed ends as one that never was."""

import json
import shutil

import pytest

from bert_jax.errors import DataError
from bert_jax.training.checkpoints import Checkpoints, load_arrays

# What a clock decides.
TIMED = ("sequences_per_second", "tokens_per_second", "model_flops_per_second", "peak_share")


def outcome(workdir):
    """Everything that a run leaves: arrays as bytes, and what it wrote."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    (last,) = Checkpoints(workdir / "training", keep=1).steps()
    (best,) = Checkpoints(workdir / "checkpoints", keep=1).steps()
    arrays = {
        f"{name}/{path}": array.tobytes()
        for name in ("training", "checkpoints")
        for path, array in load_arrays(workdir / name).items()
    }
    return {
        "steps": (last, best),
        "arrays": arrays,
        "metrics": [{k: v for k, v in line.items() if k not in TIMED} for line in lines],
        "window": (workdir / "training" / f"{last:08d}" / "extra.json").read_text(),
        "files": {
            path.name: path.read_bytes()
            for path in sorted(workdir.iterdir())
            if path.name.startswith(("score", "predictions", "test_predictions", "model"))
        },
    }


@pytest.fixture(scope="module")
def killed(finetune_until, tmp_path_factory):
    """A run that ended at step 12; the checkpoint before is that of step 8.

    Its evaluation of step 10, and the model that was kept then, belong to steps that are lost.
    """
    workdir = tmp_path_factory.mktemp("runs") / "killed"
    finetune_until(workdir, 12)
    assert Checkpoints(workdir / "training", keep=1).steps() == [8]
    assert Checkpoints(workdir / "checkpoints", keep=1).steps() == [10]
    assert not (workdir / "score.json").exists()
    return workdir


@pytest.fixture
def interrupted(killed, tmp_path):
    return shutil.copytree(killed, tmp_path / "run")


def test_a_continued_run_ends_bit_for_bit_like_one_that_never_stopped(
    interrupted, toy_run, finetune
):
    assert finetune(interrupted) == 0
    expected = outcome(toy_run)
    assert len(expected["files"]) == 5
    assert outcome(interrupted) == expected


def test_the_model_that_was_kept_says_what_the_one_in_memory_said(toy_run, finetune, tmp_path):
    """A run that was stopped before it wrote its score has to ask the model anew."""
    again = shutil.copytree(toy_run, tmp_path / "run")
    (again / "predictions_validation.jsonl").write_text("")
    (again / "score.json").unlink()
    assert finetune(again) == 0
    assert outcome(again)["files"] == outcome(toy_run)["files"]


def test_a_run_does_not_go_on_with_other_rows(interrupted, toy_task, finetune, tmp_path):
    rows = (toy_task / "train.tsv").read_text()
    data = shutil.copytree(toy_task, tmp_path / "data")
    config = json.loads((interrupted / "config.json").read_text())
    config["data"]["path"] = str(data)
    (interrupted / "config.json").write_text(json.dumps(config))
    (data / "train.tsv").write_text(rows.replace("lovely", "superb", 1))
    with pytest.raises(DataError, match="the data, as it is read, is not what this run began"):
        finetune(interrupted, {"data.path": str(data)})


def test_a_run_that_restores_less_is_noticed(
    interrupted, toy_run, finetune, monkeypatch, forgotten
):
    """The negative control of the test above."""
    assert finetune(interrupted) == 0
    monkeypatch.undo()
    expected, found = outcome(toy_run), outcome(interrupted)
    name = "training/bert/pooler/dense/kernel"
    assert (found["arrays"][name] != expected["arrays"][name]) is (forgotten != "window")
    assert found["metrics"] != expected["metrics"]


def test_a_finished_run_says_so_and_stays(toy_run, finetune, capsys):
    before = {path: path.stat().st_mtime_ns for path in toy_run.rglob("*") if path.is_file()}
    assert finetune(toy_run) == 0
    assert "finished; see" in capsys.readouterr().out
    changed = {p.name for p, time in before.items() if p.stat().st_mtime_ns != time}
    assert changed <= {"lock", "config.json"}
