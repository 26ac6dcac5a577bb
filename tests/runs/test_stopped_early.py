"""A signal before the first step: there is nothing to save, and nothing to wait for."""

import os
import signal

import pytest

from bert_jax import cli
from bert_jax.data.shard_writer import ShardWriter
from bert_jax.runs import finetuning, pretraining
from bert_jax.runs.finetuning_config import FinetuneConfig
from bert_jax.runs.pretraining_config import PretrainConfig


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_preparation_inside_pretraining_leaves_nothing(
    run_values, text_file, tmp_path, monkeypatch, capsys, number
):
    whole, added = ShardWriter.add, []

    def add(self, *args):
        added.append(args)
        os.kill(os.getpid(), number)
        whole(self, *args)

    monkeypatch.setattr(ShardWriter, "add", add)
    values = run_values({"data.path": str(text_file), "prepare.format": "sentences"})
    config = cli.build(PretrainConfig, values, "config")
    assert pretraining.run(config, values, tmp_path, "the command") == 128 + number
    assert len(added) == 1
    assert f"stopped by {number.name}; the same command continues" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_task_that_is_still_being_read_is_not_read_to_the_end(
    finetune_values, tmp_path, monkeypatch
):
    def load_task(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("went on")

    monkeypatch.setattr(finetuning, "load_task", load_task)
    values = finetune_values()
    config = cli.build(FinetuneConfig, values, "config")
    assert finetuning.run(config, values, tmp_path, "the command") == 143
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "config.json"}
