"""A sweep's folder stays one sweep; its runs have names that stay."""

import dataclasses
import json

import pytest

from bert_jax.errors import ConfigError
from bert_jax.sweeps.overrides import overridden, run_name
from bert_jax.sweeps.plan import Plan, keep_plan

VALUES = {"seed": 0, "train": {"epochs": 3.0, "lengths": (8, 16)}, "optimizer": {"rate": 0.1}}


def plan(*overrides, **changes):
    made = Plan("finetune", "my.py:mrpc", {"train.epochs": 3.0}, VALUES, overrides)
    return dataclasses.replace(made, **changes)


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ({"optimizer.rate": 1e-4, "seed": 0}, "rate=0.0001,seed=0"),
        ({"optimizer.rate": 3e-5}, "rate=3e-05"),
        ({"a.rate": 1, "b.rate": 2, "seed": 3}, "a.rate=1,b.rate=2,seed=3"),
        ({"init_from": "../some dir/base"}, "init_from=..-some-dir-base"),
        ({"lengths": (32, 64)}, "lengths=32,-64"),
        ({"path": "模型"}, "path="),
    ],
)
def test_a_name_says_what_is_overridden_and_is_safe_as_a_file(overrides, name):
    assert run_name(overrides, ()) == name and "/" not in name


def test_a_long_or_taken_name_ends_in_a_hash():
    long = [run_name({"path": "x" * 300 + end}, ()) for end in "ab"]
    assert len(set(long)) == 2 and all(len(name) == 100 for name in long)
    taken = run_name({"path": "a b"}, ["path=a-b"])
    assert taken != "path=a-b" and taken.startswith("path=a-b-")


def test_overrides_leave_the_config_they_are_made_from_alone():
    assert overridden(VALUES, {"train.epochs": 1.0, "seed": 4}) == {
        "seed": 4,
        "train": {"epochs": 1.0, "lengths": (8, 16)},
        "optimizer": {"rate": 0.1},
    }
    assert VALUES["train"]["epochs"] == 3.0


def test_a_run_is_the_ordinary_command(tmp_path):
    (run,) = keep_plan(plan({"optimizer.rate": 1e-4, "data.labels": ("a", "b")}), tmp_path)
    assert run.name == "rate=0.0001,labels=a-,-b"
    assert run.folder == tmp_path / run.name
    assert run.words == (
        *("-m", "bert_jax.finetune", "--config=my.py:mrpc", "--config.train.epochs=3.0"),
        *("--config.optimizer.rate=0.0001", "--config.data.labels=('a', 'b')"),
        f"--workdir={run.folder}",
    )
    kept = json.loads((tmp_path / "sweep.json").read_text())
    assert kept["runs"][run.name]["command"] == ["python", *run.words]
    assert kept["fields"] == ["optimizer.rate", "data.labels"]


def test_the_same_sweep_again_is_the_same_and_more_values_are_added(tmp_path):
    first = keep_plan(plan({"seed": 0}, {"seed": 1}), tmp_path)
    assert keep_plan(plan({"seed": 0}, {"seed": 1}), tmp_path) == first
    more = keep_plan(plan({"seed": 1}, {"seed": 2}), tmp_path)
    assert more[0] == first[1]
    kept = json.loads((tmp_path / "sweep.json").read_text())
    assert list(kept["runs"]) == ["seed=0", "seed=1", "seed=2"]


def test_what_a_search_chooses_from_is_kept_by_a_grid_too(tmp_path):
    space = {"seed": {"low": 0, "high": 9, "log": False}}
    assert keep_plan(plan(space=space), tmp_path) == []
    assert len(keep_plan(plan({"seed": 12}), tmp_path)) == 1
    assert json.loads((tmp_path / "sweep.json").read_text())["space"] == space


def test_runs_whose_names_would_be_the_same_have_two(tmp_path):
    runs = keep_plan(plan({"init_from": "a b"}, {"init_from": "a/b"}), tmp_path)
    assert runs[0].name == "init_from=a-b" and runs[1].name.startswith("init_from=a-b-")
    assert keep_plan(plan({"init_from": "a/b"}), tmp_path) == [runs[1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verb": "pretrain"}, "--verb: was finetune, now pretrain"),
        (
            {"values": VALUES | {"train": {"epochs": 4.0, "lengths": (8,)}}},
            "train.epochs: was 3.0, now 4.0; train.lengths: was [8, 16], now (8,)",
        ),
        ({"overrides": ({"optimizer.rate": 1.0},)}, "differed in seed, now in optimizer.rate"),
        ({"overrides": ({"seed": 0, "b": 1},)}, "its runs differed in seed, now in seed and b"),
        (
            {"values": {f"field{i}": i for i in range(9)}},
            "field4: was None, now 4; and 8 more",
        ),
    ],
)
def test_another_sweep_in_its_folder_is_refused_with_the_difference(tmp_path, changes, message):
    keep_plan(plan({"seed": 0}), tmp_path)
    before = (tmp_path / "sweep.json").read_bytes()
    with pytest.raises(ConfigError, match="holds another sweep") as caught:
        keep_plan(plan({"seed": 0}, **changes), tmp_path)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert (tmp_path / "sweep.json").read_bytes() == before


def test_what_is_common_to_all_may_be_typed_otherwise(tmp_path):
    keep_plan(plan({"seed": 0}), tmp_path)
    keep_plan(plan({"seed": 0}, common={}, config="./my.py:mrpc"), tmp_path)


def test_a_run_asked_for_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="the sweep has the run seed=0 twice"):
        keep_plan(plan({"seed": 0}, {"seed": 0}), tmp_path)
    assert not (tmp_path / "sweep.json").exists()


@pytest.mark.parametrize("name", ["run.json", "config.json"])
def test_the_folder_of_a_run_is_refused(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match="holds a run, not a sweep"):
        keep_plan(plan({"seed": 0}), tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"verb": 1, "fields": [], "values": {}, "runs": {"a": 1}}']
)
def test_a_damaged_file_is_refused(tmp_path, text):
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(ConfigError, match=r"sweep\.json: damaged"):
        keep_plan(plan({"seed": 0}), tmp_path)
