"""A pretraining run that has so many minutes, stopped and continued, on a clock of its own."""

import dataclasses
import json
import os
import signal

import numpy as np
import pytest

from bert_jax import cli
from bert_jax.errors import ConfigError
from bert_jax.report.run import read_run
from bert_jax.report.summary import total_steps
from bert_jax.runs import budget_of_run
from bert_jax.runs import pretraining as runs
from bert_jax.runs.budget import Budget
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.pace import Pace
from bert_jax.training.records import Records
from bert_jax.training.schedules import RateTable

SECONDS = 60.0


def train_lines(workdir):
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["split"] == "train"]


def test_a_run_stopped_half_way_ends_in_time_at_the_end_of_its_recipe(
    run_values, assembled, with_devices, tmp_path, monkeypatch, capsys
):
    now, due, metrics = [100.0], Budget.due, Records.metrics

    def step(self, done):
        now[0] += 1.0
        return due(self, done)

    def stopping(self, step, split, values):
        metrics(self, step, split, values)
        if (step, split) == (20, "train"):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Budget, "due", step)
    monkeypatch.setattr(budget_of_run, "clock", lambda: now[0])
    values = run_values({"budget_minutes": SECONDS / 60, "train.log_every": 1})

    def run(**other):
        given = values | other
        with with_devices(1):
            return runs.run(cli.build(PretrainConfig, given, "config"), given, tmp_path, "", 2.0)

    with monkeypatch.context() as patch:
        patch.setattr(Records, "metrics", stopping)
        assert run() == 128 + signal.SIGTERM
    stopped = json.loads((tmp_path / "budget.json").read_text())
    assert stopped["spent_seconds"] == 2 + 20
    now[0] += 5000
    with pytest.raises(ConfigError, match="began with a budget; give it again"):
        run(budget_minutes=0.0)
    assert run() == 0

    budget = json.loads((tmp_path / "budget.json").read_text())
    assert 0.8 * SECONDS < budget["spent_seconds"] <= SECONDS
    lines = train_lines(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, budget["steps"] + 1))
    assert Checkpoints(tmp_path / "checkpoints", keep=2).steps()[-1] == budget["steps"]
    # What the file says is what was done.
    recipe = RateTable(assembled().plan.rate)
    pace = Pace(tuple(map(tuple, budget["plans"][-1]["knots"])))
    rates = [line["learning_rate"] for line in lines]
    np.testing.assert_allclose(rates, recipe(pace.positions()), rtol=1e-4, atol=1e-9)
    assert rates[-1] == pytest.approx(1.5e-3 / 30, rel=1e-4)  # the last of the recipe's 30 steps
    assert "planned for 1 minutes" in capsys.readouterr().out
    assert total_steps(read_run(tmp_path)) == budget["steps"]
    assert run() == 0 and "finished at step" in capsys.readouterr().out


def test_a_phase_that_begins_elsewhere_begins_with_its_first_rows(assembled):
    of = assembled()
    phase = of.plan.phases[0]
    rows = of.rows("train", phase)
    stage = of.stage(phase, rows)
    moved = of.moved(stage, dataclasses.replace(phase, start=7, end=9), rows)
    assert (moved.start, moved.end, moved.train_step) == (7, 9, stage.train_step)
    np.testing.assert_array_equal(moved.rows(8), stage.rows(1))
    np.testing.assert_array_equal(moved.batch(8).input_ids, stage.batch(1).input_ids)
