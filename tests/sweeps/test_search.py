"""A search goes to where the scores are, and goes on from its folder alone."""

import csv
import json
import math
import os
import signal
import sys

import pytest

from bert_jax.errors import ConfigError
from bert_jax.sweeps import launching, sweeping
from bert_jax.sweeps.checking import check_runs
from bert_jax.sweeps.plan import Plan
from bert_jax.sweeps.search import make_search
from bert_jax.sweeps.source import Listed
from bert_jax.sweeps.sweeping import sweep

pytest.importorskip("optuna", reason="Optuna is not installed: an extra")

RATE, SIZE = "optimizer.learning_rate", "train.batch_size"
VALUES = {"train": {"batch_size": 32}, "optimizer": {"learning_rate": 0.1}}
TEXTS = (f"{RATE}=1e-5..1e-1:log", f"{SIZE}=8,16,32")
BEST = 3e-4


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(launching, "_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(sweeping, "write_page", lambda folder, metric: folder / "report.html")


def check(asked):
    def read(field, text):
        return float(text) if field == RATE else int(text)

    def build(values):
        if values["train"]["batch_size"] == 16 and values["optimizer"]["learning_rate"] > 1e-3:
            raise ConfigError("config.train: the two do not go together")

    return check_runs(asked, source="--search", values=VALUES, common={}, read=read, build=build)


def plan(overrides, space=None, verb="finetune"):
    return Plan(verb, "my.py", {}, VALUES, overrides, space or {})


def search(trials, texts=TEXTS, seed=2, **changes):
    return make_search(lambda *args: plan(*args, **changes), texts, trials, seed, check)


def score_of(overrides):
    """How far a rate is from the best, in powers of ten; worse with a batch of 8."""
    return abs(math.log10(overrides[RATE] / BEST)) + 0.5 * (overrides[SIZE] == 8)


class Finished:
    """A run that ends when it has been looked at so many times."""

    def __init__(self, looks, code):
        self.looks, self.code = looks, code

    def poll(self):
        self.looks -= 1
        return None if self.looks > 0 else self.code

    def at_work(self):
        return True

    def stop(self, number):
        self.looks, self.code = 0, 128 + number


class Scores:
    """A launcher whose runs are a score on disk, or an exit code.

    Args:
        at_once: runs.
        codes: gives the exit code of a run from its overrides.
        stop_at: the run, counted from 1, in which the sweep is told to stop.
    """

    def __init__(self, at_once=1, codes=lambda overrides: 0, stop_at=0):
        self.at_once, self.codes, self.stop_at = at_once, codes, stop_at
        self.started, self.most = [], 0

    def start(self, runs):
        return [self._start(run) for run in runs]

    def _start(self, run):
        plan = json.loads((run.folder.parent / "sweep.json").read_text())
        overrides = plan["runs"][run.name]["overrides"]
        waiting = [name for name in plan["runs"] if not (run.folder.parent / name).exists()]
        self.most = max(self.most, len(waiting))
        self.started.append(run.name)
        run.folder.mkdir(exist_ok=True)
        (run.folder / "outcome.json").unlink(missing_ok=True)
        (run.folder / "run.json").write_text('{"task": "mrpc", "status": "running"}')
        if len(self.started) == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
            return Finished(10**9, 0)
        code = self.codes(overrides)
        if code == 0:
            metrics = {"f1": 10 - score_of(overrides), "loss": score_of(overrides)}
            (run.folder / "score.json").write_text(json.dumps({"task": "mrpc", "metrics": metrics}))
        return Finished(len(self.started) % 3, code)


def chosen(folder):
    runs = json.loads((folder / "sweep.json").read_text())["runs"]
    return [run["overrides"] for run in runs.values()]


def near(runs):
    """Count rates that are less than half a power of ten from the best; at random one in four."""
    return sum(abs(math.log10(run[RATE] / BEST)) < 0.5 for run in runs)


@pytest.mark.parametrize("metric", ["", "loss"])
def test_it_goes_to_where_the_scores_are(tmp_path, metric, capsys):
    launcher = Scores()
    assert sweep(search(30), tmp_path, launcher, metric) == 0
    runs = chosen(tmp_path)
    assert len(runs) == len(launcher.started) == 30
    assert near(runs[-15:]) >= 7
    assert not any(run[SIZE] == 16 and run[RATE] > 1e-3 for run in runs)
    assert all(float(f"{run[RATE]:.3g}") == run[RATE] for run in runs)
    assert capsys.readouterr().out.startswith(f"{tmp_path}: 30 runs, 0 of them finished\n")


def test_a_stopped_search_goes_on_as_if_it_had_not_been(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    sweep(search(12), whole, Scores(), "")
    assert sweep(search(12), stopped, Scores(stop_at=8), "") == 143
    assert len(chosen(stopped)) == 8
    launcher = Scores()
    assert sweep(search(12), stopped, launcher, "") == 0
    names = list(json.loads((stopped / "sweep.json").read_text())["runs"])
    assert launcher.started == names[7:]
    assert chosen(stopped) == chosen(whole)


def test_more_trials_are_added_and_another_seed_chooses_others(tmp_path):
    few, many = tmp_path / "few", tmp_path / "many"
    sweep(search(4), few, Scores(), "")
    assert sweep(search(8), few, Scores(), "") == 0
    sweep(search(8), many, Scores(), "")
    assert chosen(few) == chosen(many)
    assert sweep(search(4), few, launcher := Scores(), "") == 0 and not launcher.started
    sweep(search(4, seed=1), tmp_path / "other", Scores(), "")
    assert chosen(tmp_path / "other")[0] != chosen(many)[0]


def test_runs_at_once_are_chosen_one_by_one(tmp_path):
    launcher = Scores(at_once=3)
    assert sweep(search(12), tmp_path, launcher, "") == 0
    assert launcher.most == 3 and len({run[RATE] for run in chosen(tmp_path)}) == 12


def test_a_search_keeps_away_from_what_fails_and_repeats_what_may_be_chance(tmp_path):
    """Rates above 1e-3 diverge, a batch of 32 is killed: at random two runs in three fail."""
    launcher = Scores(codes=lambda run: 6 if run[RATE] > 1e-3 else 137 if run[SIZE] == 32 else 0)
    assert sweep(search(20), tmp_path, launcher, "") == 1
    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    states = [row["state"] for row in rows]
    diverged = [float(row[RATE]) > 1e-3 for row in rows]
    killed = [not bad and row[SIZE] == "32" for bad, row in zip(diverged, rows, strict=True)]
    failed = [one or other for one, other in zip(diverged, killed, strict=True)]
    assert states == ["failed" if one else "finished" for one in failed]
    assert any(diverged) and any(killed) and sum(failed[-10:]) <= 5
    again = Scores()
    assert sweep(search(20), tmp_path, again, "") == 1
    assert again.started == [row["run"] for row, one in zip(rows, killed, strict=True) if one]


def test_a_metric_that_no_run_has_ends_it_after_the_first(tmp_path):
    launcher = Scores()
    with pytest.raises(ConfigError, match="--metric=f2: no run has it; they have f1, loss"):
        sweep(search(20), tmp_path, launcher, "f2")
    assert len(launcher.started) == 1


def test_each_setting_is_run_once_and_those_that_cannot_be_are_passed_over(tmp_path, capsys):
    texts = (f"{RATE}=1e-4,1e-2", f"{SIZE}=8,16,32")
    assert sweep(search(5, texts), tmp_path, Scores(), "") == 0
    runs = {(run[RATE], run[SIZE]) for run in chosen(tmp_path)}
    assert runs == {(1e-4, 8), (1e-4, 16), (1e-4, 32), (1e-2, 8), (1e-2, 32)}


def test_when_no_other_setting_can_be_run_that_is_said(tmp_path, capsys):
    texts = (f"{RATE}=1e-4,2e-2,1e-2", f"{SIZE}=8,16")
    assert sweep(search(5, texts), tmp_path, Scores(), "") == 0
    assert "only 4 of 5 runs: no other setting was found that can be run" in capsys.readouterr().out


def test_the_runs_of_a_grid_are_told_and_counted(tmp_path):
    grid = [{RATE: rate, SIZE: 8} for rate in (1e-5, 1e-4, 1e-3, 1e-2, 2.5e-1)]
    sweep(Listed(plan(tuple(grid))), tmp_path, Scores(), "")
    launcher = Scores()
    assert sweep(search(6), tmp_path, launcher, "") == 0
    assert len(launcher.started) == 2 and chosen(tmp_path)[:5] == grid  # 0.25 is outside


def test_another_sweep_in_its_folder_is_refused(tmp_path):
    sweep(search(1), tmp_path, Scores(), "")
    before = (tmp_path / "sweep.json").read_bytes()
    for other, message in (
        (search(2, TEXTS[:1]), "its runs differed in optimizer.learning_rate and train.batch"),
        (search(2, verb="pretrain"), "--verb: was finetune, now pretrain"),
    ):
        with pytest.raises(ConfigError, match=message):
            sweep(other, tmp_path, launcher := Scores(), "")
        assert not launcher.started and (tmp_path / "sweep.json").read_bytes() == before


@pytest.mark.parametrize(
    ("trials", "texts", "message"),
    [
        (None, TEXTS, "--search: wants --trials=N, how many runs there are to be"),
        (1001, TEXTS, "--trials=1001: a sweep has at most 1,000 runs"),
        (6, (f"{SIZE}=8..12",), "--trials=6: the search has 5 settings; --grid runs them all"),
    ],
)
def test_a_search_that_cannot_be_is_refused(trials, texts, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        search(trials, texts)


def test_without_optuna_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"--search: wants Optuna; pip install 'bert_jax\[sear"):
        search(3)
