"""A finished run is left as it is."""

import pytest

from bert_jax import cli
from bert_jax.errors import ConfigError
from bert_jax.runs import pretraining
from bert_jax.runs.pretraining_config import PretrainConfig


def contents(folder):
    """Every file but the lock, which any start takes: its bytes, and when it was written."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


@pytest.fixture(scope="module")
def start(run_values, with_devices):
    """A function that runs, or continues, a pretraining of two steps in a folder."""

    def run(workdir, changes=None):
        values = run_values({"train.steps": 2, "train.eval_every": 2} | (changes or {}))
        config = cli.build(PretrainConfig, values, "config")
        with with_devices(1):
            return pretraining.run(config, values, workdir, "the command")

    return run


def test_no_file_of_a_finished_pretraining_is_touched(start, tmp_path, capsys):
    assert start(tmp_path) == 0
    before = contents(tmp_path)
    assert any(path.name == "config.json" for path in before)
    for changes in ({}, {"train.log_every": 1, "train.keep_checkpoints": 5}):
        capsys.readouterr()
        assert start(tmp_path, changes) == 0
        assert "finished at step 2" in capsys.readouterr().out
        assert contents(tmp_path) == before
    with pytest.raises(ConfigError, match="seed: was 0, now 1"):
        start(tmp_path, {"seed": 1})
    assert contents(tmp_path) == before


def test_no_file_of_a_finished_fine_tuning_is_touched(toy_run, finetune):
    before = contents(toy_run)
    assert any(path.name == "config.json" for path in before)
    assert finetune(toy_run) == 0
    assert finetune(toy_run, {"train.watchdog_seconds": 1.0}) == 0
    assert contents(toy_run) == before
