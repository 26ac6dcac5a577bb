"""Runs of several seeds, one of which goes wrong: in sequence, and together."""

import json
import shutil

import numpy as np
import pytest

from bert_jax.errors import NumericsError
from bert_jax.runs.folder import RunFolder
from bert_jax.runs.task_assembly import Finetuning
from bert_jax.training.checkpoints import Checkpoints, load_arrays

# 15 steps, saved at 4, 8, 12 and 15, evaluated at 8 and 15.
SHORT = {
    "num_seeds": 3,
    "train.epochs": 3.0,
    "train.evaluations": 2,
    "train.checkpoint_every": 4,
    "train.skipped_steps_limit": 2,
}
WRONG = 1  # a seed whose head is drawn as NaN
TIMED = ("sequences_per_second", "tokens_per_second", "model_flops_per_second", "peak_share")


class Killed(BaseException):
    """Stands for a process that ends."""


@pytest.fixture(scope="module")
def run(finetune):
    """A function (folder, changes, patch) that runs, or continues, with one seed gone wrong."""

    def go(workdir, changes, change=lambda patch: None):
        whole = Finetuning.initial_state

        def initial_state(self, fitted, seed):
            if seed == WRONG:
                fitted.params["classifier"]["bias"] = np.full(3, np.nan, np.float32)
            return whole(self, fitted, seed)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Finetuning, "initial_state", initial_state)
            patch.setattr(RunFolder, "write_report", lambda self: "no page")
            change(patch)
            assert finetune(workdir, SHORT | changes) == 0
        return workdir

    return go


@pytest.fixture(scope="module")
def in_sequence(run, tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "sequence", {})


@pytest.fixture(scope="module")
def killed(run, tmp_path_factory):
    """Runs together, killed when of those still going the first alone had saved step 12."""
    workdir = tmp_path_factory.mktemp("runs") / "together"
    whole = Checkpoints.save

    def save(self, state, extra):
        if int(state.step) == 12 and self.directory.parent.name == "seed_2":
            raise Killed
        return whole(self, state, extra)

    with pytest.raises(Killed):
        run(workdir, {"seeds_at_once": 3}, lambda patch: patch.setattr(Checkpoints, "save", save))
    return workdir


@pytest.fixture(scope="module")
def together(run, killed, tmp_path_factory):
    """The same, continued; the seed that had failed is tried again, from its beginning."""
    workdir = shutil.copytree(killed, tmp_path_factory.mktemp("runs") / "continued")
    with pytest.warns(UserWarning, match="seed_1: there is no checkpoint; training begins anew"):
        return run(workdir, {"seeds_at_once": 3})


@pytest.fixture(scope="module")
def vectorized(run, tmp_path_factory):
    """Runs together as on an accelerator, never stopped."""
    workdir = tmp_path_factory.mktemp("runs") / "vectorized"
    changes = {"seeds_at_once": 3}
    return run(
        workdir, changes, lambda patch: patch.setattr(Finetuning, "abreast", Finetuning.vectorized)
    )


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def metrics(folder):
    found = lines(folder / "metrics.jsonl")
    return [{k: v for k, v in line.items() if k not in TIMED} for line in found]


def outcome(folder):
    """Everything that a run leaves but what a clock decides."""
    names = sorted(path.name for path in folder.iterdir() if path.name != "tensorboard")
    files = ("score", "predictions", "test_predictions", "model", "config")
    steps = {name: Checkpoints(folder / name, 1).steps() for name in ("training", "checkpoints")}
    arrays = {
        f"{name}/{path}": array.tobytes()
        for name in steps
        for path, array in load_arrays(folder / name).items()
    }
    texts = {n: (folder / n).read_text() for n in names if n.startswith(files)}
    return names, steps, arrays, texts, metrics(folder)


def test_a_seed_that_goes_wrong_ends_no_other_and_is_counted(in_sequence):
    score = json.loads((in_sequence / "score.json").read_text())
    assert score["seeds"] == [0, 1, 2] and list(score["by_seed"]) == ["0", "2"]
    assert score["failed"]["1"].startswith("2 steps in a row were skipped")
    of_wrong = json.loads((in_sequence / "seed_1" / "run.json").read_text())
    assert (of_wrong["status"], of_wrong["error"]) == ("failed", score["failed"]["1"])
    assert not (in_sequence / "seed_1" / "score.json").exists()
    both = [found["accuracy"] for found in score["by_seed"].values()]
    assert score["metrics"]["accuracy"] == score["medians"]["accuracy"] == np.mean(both)


def test_steps_too_large_to_gain_together_are_taken_one_seed_after_another(run, tmp_path, capsys):
    asked = []

    def run_seeds(runs, at_once, stop):
        asked.append(at_once)
        raise Killed

    def small_is(size):
        def change(patch):
            patch.setattr("bert_jax.runs.task_assembly._SMALL", size)
            patch.setattr("bert_jax.runs.finetuning.run_seeds", run_seeds)

        return change

    for size in (0, 1 << 30):
        with pytest.raises(Killed):
            run(tmp_path / str(size), {"seeds_at_once": 3}, small_is(size))
    assert asked == [1, 3]
    assert capsys.readouterr().out.count("no faster together") == 1


def test_a_kill_leaves_runs_at_different_steps(killed):
    steps = [Checkpoints(killed / f"seed_{seed}" / "training", 1).steps() for seed in range(3)]
    assert steps == [[8, 12], [], [4, 8]]


def test_runs_together_and_continued_leave_what_runs_in_sequence_leave(in_sequence, together):
    for seed in (0, 2):
        found, expected = (outcome(x / f"seed_{seed}") for x in (together, in_sequence))
        assert found == expected
    one, other = (json.loads((x / "score.json").read_text()) for x in (together, in_sequence))
    assert one == other


def test_vectorized_they_have_the_same_scores_and_nearly_the_same_numbers(in_sequence, vectorized):
    one, other = (json.loads((x / "score.json").read_text()) for x in (vectorized, in_sequence))
    assert one == other
    for seed in (0, 2):
        found, expected = (x / f"seed_{seed}" for x in (vectorized, in_sequence))
        assert outcome(found)[:2] == outcome(expected)[:2]
        for a, b in zip(metrics(found), metrics(expected), strict=True):
            assert a.pop("split") == b.pop("split")
            assert a == pytest.approx(b, rel=1e-3)
        arrays = load_arrays(expected / "training")
        for path, array in load_arrays(found / "training").items():
            # The gradient of a key's bias is rounding alone, which Adam scales up.
            if "key/bias" not in path:
                off = np.linalg.norm(array - arrays[path])
                assert off < 1e-2 * np.linalg.norm(arrays[path]), path


def test_where_no_seed_has_a_score_the_run_is_an_error(run, tmp_path, monkeypatch):
    from bert_jax.runs import seeds

    monkeypatch.setattr(seeds.SeedRun, "run", lambda self, stop: nothing())

    def nothing():
        raise NumericsError("all is lost")

    with pytest.raises(NumericsError, match="none of 3 seeds has a score; seed 0: all is lost"):
        run(tmp_path / "run", {})
