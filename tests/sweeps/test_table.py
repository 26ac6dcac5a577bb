"""One table of all runs, and a ranking that says how far it can be trusted."""

import csv
import json

import pytest

from bert_jax.report.sweep.folder import read_sweep
from bert_jax.sweeps.table import describe_results, write_results

METRICS = ("f1", "accuracy")


@pytest.fixture
def sweep(tmp_path):
    """A function (f1 of each run by rate and seed) that gives a sweep of finished runs."""

    def make(values, verb="finetune", fields=("optimizer.learning_rate", "seed")):
        runs = {}
        for overrides, value in values.items():
            name = ",".join(map(str, overrides))
            command = ["python", "-m", "bert_jax.finetune", f"--config.data.labels=('a',) {name}"]
            runs[name] = {
                "overrides": dict(zip(fields, overrides, strict=False)),
                "command": command,
            }
            folder = tmp_path / name
            folder.mkdir()
            if isinstance(value, dict):
                (folder / "outcome.json").write_text(json.dumps(value))
            elif value is not None:
                score = {
                    "task": "mrpc",
                    "metrics": {"f1": value, "accuracy": 1 - value},
                    "intervals_95": {"f1": [0, 1]},
                }
                (folder / "score.json").write_text(json.dumps(score))
                (folder / "run.json").write_text('{"task": "mrpc", "status": "running"}')
        plan = {"verb": verb, "fields": fields, "values": {}, "runs": runs}
        (tmp_path / "sweep.json").write_text(json.dumps(plan))
        return read_sweep(tmp_path)

    return make


SEEDED = {
    (1e-4, 0): 0.80,
    (1e-4, 1): 0.82,
    (3e-4, 0): 0.90,
    (3e-4, 1): 0.94,
    (3e-4, 2): None,
    (1e-3, 0): {"code": 6, "error": 'not finite, "ever"'},
    (1e-3, 1): {"code": 143, "error": ""},
}


def test_a_row_for_each_run_with_what_became_of_it(sweep, tmp_path):
    write_results(sweep(SEEDED), tmp_path / "results.csv")
    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(SEEDED)
    assert rows[0] == {
        "run": "0.0001,0",
        "optimizer.learning_rate": "0.0001",
        "seed": "0",
        "state": "finished",
        "step": "0",
        "f1": "0.8",
        "accuracy": "0.19999999999999996",
        "error": "",
    }
    assert [row["state"] for row in rows[4:]] == ["waiting", "failed", "waiting"]
    assert rows[5]["error"] == 'not finite, "ever"' and rows[5]["f1"] == ""


def test_settings_are_ranked_by_their_means_over_seeds(sweep):
    lines = describe_results(sweep(SEEDED), "").splitlines()
    # The standard error of two values is half their distance.
    assert [line.split() for line in lines[:4]] == [
        ["f1", "std.", "error", "runs", "learning_rate"],
        ["1", "0.92", "0.02", "2/3", "0.0003"],
        ["2", "0.81", "0.01", "2/2", "0.0001"],
        ["3", "-", "-", "0/2", "0.001"],
    ]
    assert lines[4:] == [
        'failed: 0.001,0: not finite, "ever"',
        "not finished: 2; the same command continues",
        "the best run's command:",
        "  python -m bert_jax.finetune '--config.data.labels=('\"'\"'a'\"'\"',) 0.0003,1'",
    ]


def test_settings_that_are_not_told_apart_are_counted(sweep):
    values = {(1e-4, 0): 0.80, (1e-4, 1): 0.90, (3e-4, 0): 0.84, (3e-4, 1): 0.88}
    values |= {(1e-3, 0): 0.10, (1e-3, 1): 0.11}
    text = describe_results(sweep(values), "")
    assert "\n1 other setting is within two standard errors of the best\n" in text


def test_one_run_a_setting_decides_nothing(sweep):
    text = describe_results(sweep({(1e-4, 0): 0.8, (3e-4, 0): 0.9}), "")
    assert text.startswith("   f1   learning_rate\n1  0.9  0.0003\n2  0.8  0.0001\n")
    assert "\none run a setting: the seed alone may make this order; sweep over seed too\n" in text


def test_a_run_that_goes_on_does_not_choose_the_metric(sweep, tmp_path):
    made = sweep({(1e-4, 0): None, (3e-4, 0): 0.9})
    folder = tmp_path / made.trials[0].name
    (folder / "run.json").write_text('{"task": "mrpc", "status": "running"}')
    line = {"step": 1, "split": "validation", "accuracy": 0.7, "f1": 0.8}
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert describe_results(read_sweep(tmp_path), "").startswith("   f1 ")


def test_another_metric_turns_the_order_round(sweep):
    text = describe_results(sweep({(1e-4, 0): 0.8, (3e-4, 0): 0.9}), "accuracy")
    assert "1  0.2       0.0001" in text and "2  0.1       0.0003" in text


def test_nothing_is_ranked_before_a_run_has_finished(sweep):
    text = describe_results(sweep({(1e-4, 0): None, (3e-4, 0): {"code": 3, "error": "x"}}), "")
    assert text.splitlines() == [
        "failed: 3e-4,0: x".replace("3e-4", "0.0003"),
        "not finished: 1; the same command continues",
    ]


def test_only_the_first_settings_are_printed(sweep):
    text = describe_results(sweep({(i / 10, 0): i / 20 for i in range(12)}), "")
    assert "and 2 more settings in results.csv" in text and "1   0.55  1.1" in text


OF_PRETRAINING = [("", "0.1"), ("mlm_loss", "0.1"), ("mlm_accuracy", "0.3")]


@pytest.mark.parametrize(("metric", "first"), OF_PRETRAINING)
def test_a_loss_is_best_where_it_is_low(sweep, tmp_path, metric, first):
    made = sweep({(0.1, 0): None, (0.3, 0): None}, verb="pretrain")
    for trial, value in zip(made.trials, (0.1, 0.3), strict=True):
        folder = tmp_path / trial.name
        (folder / "run.json").write_text('{"status": "finished"}')
        lines = [
            {
                "step": step,
                "split": "validation",
                "loss": -value,  # with next sentences, which runs may differ in
                metric or "mlm_loss": value + 1 / step,
            }
            for step in (1, 2)
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    lines = describe_results(read_sweep(tmp_path), metric).splitlines()
    assert lines[1].split() == ["1", f"{float(first) + 0.5:.4g}", first]
