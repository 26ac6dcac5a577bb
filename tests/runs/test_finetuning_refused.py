"""Fine-tuning that cannot be: each is one error with its code, before anything is trained."""

import pytest

from bert_jax import cli
from bert_jax.errors import BertJaxError, CheckpointError, ConfigError, DataError
from bert_jax.runs.finetuning import check_together
from bert_jax.runs.finetuning_config import FinetuneConfig


def refused(finetune, workdir, changes, error, message, task="own"):
    with pytest.raises(BertJaxError, match=message) as caught:
        finetune(workdir, changes, task)
    assert type(caught.value) is error and "\n" not in str(caught.value)
    assert not (workdir / "run.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init_from": ""}, r"config\.init_from: missing; name a run, .* or say 'random'"),
        ({"init_from": "random"}, r"config\.random\.tokenizer: missing"),
        ({"init_from": "random", "random.size": "huge"}, r"random\.size=huge: wants one of tiny"),
        ({"data.path": ""}, r"config\.data\.path: missing"),
        ({"data.validation_share": 1.5}, r"config\.data\.validation_share: got 1\.5"),
        ({"model.hidden_dropout_prob": 1.0}, r"config\.model: hidden_dropout_prob=1\.0 must be in"),
        ({"optimizer.warmup_share": 1.5}, r"config\.optimizer\.warmup_share=1\.5: wants a number"),
        ({"optimizer.learning_rate": 0.0}, r"config\.optimizer: learning_rate=0\.0 must be"),
        ({"train.epochs": 0.0}, r"config\.train: epochs=0\.0 must be positive"),
        ({"train.batch_size": 0}, r"config\.train: batch_size=0 must be at least 1"),
        ({"train.gradient_accumulation": 0}, r"train: gradient_accumulation=0 must be at least 1"),
        ({"train.gradient_accumulation": 3}, r"batch_size=16 is not a multiple of grad.*=3"),
        ({"seeds_at_once": 0}, r"config: seeds_at_once=0 must be at least 1"),
        ({"train.patience": -1}, r"config\.train: patience=-1 must be at least 0"),
        ({"train.log_every": -1}, r"config\.train: log_every=-1 must be at least 0"),
        ({"train.max_seq_length": 13}, r"max_seq_length=13: the model in .* has 12 positions"),
        ({"train.static_lengths": (12, 24)}, r"static_lengths=24: the model in .* has 12 positi"),
        ({"train.static_lengths": (12, 8)}, r"config\.train: static_lengths=\(12, 8\) must rise"),
        ({"train.static_lengths": (4, 6)}, r"static_lengths: the longest is 6, but rows have up"),
        ({"train.max_seq_length": 3}, r"max_seq_length: got 3, wants 4 or more"),
        ({"train.what": "top:2"}, r"config\.train: what='top:2' must be .* with K layers of 1"),
        ({"train.layer_decay": 0.0}, r"config\.train: layer_decay=0\.0 must be in \(0, 1\]"),
        ({"train.reinitialize_layers": 2}, r"reinitialize_layers=2: the model has 1"),
    ],
)
def test_an_unusable_value_is_a_config_error(finetune, tmp_path, changes, message):
    refused(finetune, tmp_path / "run", changes, ConfigError, message)


def test_an_unknown_task_is_refused_with_those_known(finetune, tmp_path):
    message = r"config\.task=sst: wants one of cola, sst2, .*, own, tags"
    refused(finetune, tmp_path / "run", {}, ConfigError, message, task="sst")


def test_a_refused_config_does_not_bind_the_folder(finetune, tmp_path):
    for length in (13, 14):
        changes, message = {"train.max_seq_length": length}, f"max_seq_length={length}: the model"
        refused(finetune, tmp_path / "run", changes, ConfigError, message)


def test_another_config_in_a_run_s_folder_is_refused(toy_run, finetune):
    kept = (toy_run / "config.json").read_bytes()
    with pytest.raises(ConfigError, match="seed: was 0, now 1"):
        finetune(toy_run, {"seed": 1})
    assert (toy_run / "config.json").read_bytes() == kept


def test_a_model_that_is_not_there_is_refused(finetune, tmp_path):
    changes = {"init_from": str(tmp_path / "nowhere")}
    refused(finetune, tmp_path / "run", changes, CheckpointError, "nowhere: no model here")
    assert CheckpointError.exit_code == 4


def test_data_that_is_not_there_is_refused(finetune, tmp_path):
    changes = {"data.path": str(tmp_path / "nowhere.tsv")}
    refused(finetune, tmp_path / "run", changes, DataError, r"nowhere\.tsv: no such file")
    assert DataError.exit_code == 3


@pytest.mark.parametrize(
    ("bad_file", "line", "changes", "message"),
    [
        ("dev", "a film\tugly", {}, r"dev\.tsv:5: unknown label 'ugly'; the labels are bad, fair"),
        ("train", "a film\tugly", {"data.labels": ("bad", "fair", "good")}, r"train\.tsv:5: unkn"),
        ("train", "a film\t", {}, r"train\.tsv:5: no label in column 'class'"),
        ("train", None, {"data.text_column": "review"}, r"train\.tsv:2: no column 'review'"),
    ],
)
def test_a_bad_row_is_refused_with_its_file_and_line(
    bad_file, line, changes, message, toy_task, finetune, tmp_path
):
    for name in ("train", "dev"):
        rows = (toy_task / f"{name}.tsv").read_text().splitlines()
        if name == bad_file and line is not None:
            rows[4] = line
        (tmp_path / f"{name}.tsv").write_text("\n".join(rows) + "\n")
    changes = {"data.path": str(tmp_path)} | changes
    refused(finetune, tmp_path / "run", changes, DataError, message)


@pytest.fixture
def two_classes(toy_task, tmp_path):
    for name in ("train", "dev"):
        rows = (toy_task / f"{name}.tsv").read_text().splitlines()
        kept = [row for row in rows if not row.endswith("\tfair")]
        (tmp_path / f"{name}.tsv").write_text("\n".join(kept) + "\n")
    return {"data.path": str(tmp_path)}


def test_a_head_of_another_size_is_refused(toy_run, two_classes, finetune, tmp_path):
    changes = {"init_from": str(toy_run)} | two_classes
    message = r"tells 3 classes apart \(bad, fair, good\), the task has 2 \(bad, good\); .*new_head"
    refused(finetune, tmp_path / "run", changes, DataError, message)


def test_it_is_replaced_by_request(toy_run, two_classes, assembled_toy):
    changes = {"init_from": str(toy_run), "train.new_head": True} | two_classes
    found = assembled_toy(changes)
    assert set(found.fitted(0).new) == {"classifier/bias", "classifier/kernel"}
    assert found.start.labels == ("bad", "good")


def test_rows_are_no_longer_than_the_model_unless_told(assembled_toy, toy_task, tmp_path):
    for name in ("train", "dev"):
        text = (toy_task / f"{name}.tsv").read_text()
        (tmp_path / f"{name}.tsv").write_text(text.replace("film", "film " * 20))
    changes = {"data.path": str(tmp_path), "train.max_seq_length": 0, "train.static_lengths": ()}
    found = assembled_toy(changes)  # of 12 positions
    assert max(map(len, found.task.features["train"].input_ids)) == 12


def test_texts_longer_than_a_row_are_cut_and_counted(assembled_toy):
    found = assembled_toy({"train.max_seq_length": 6, "train.static_lengths": ()})
    lengths = [len(ids) for ids in found.task.features["train"].input_ids]
    assert max(lengths) == 6
    (note,) = (note for note in found.task.notes if note.startswith("train"))
    assert " of 75 rows are longer than max_seq_length=6 and were cut" in note


def test_seeds_are_not_trained_together_on_several_devices(assembled_toy, finetune_values):
    def check(**changes):
        config = cli.build(FinetuneConfig, finetune_values(changes), "config")
        check_together(config, assembled_toy(devices=8))

    check(num_seeds=2)
    check(seeds_at_once=2)
    with pytest.raises(ConfigError, match=r"seeds_at_once=2: .*, not on a mesh of 8 devices; --"):
        check(num_seeds=3, seeds_at_once=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.batch_size": 12}, r"batch_size=12 gives 12 rows at a time, .* mesh's 8 parts"),
        ({"train.gradient_accumulation": 4}, r"batch_size=16 gives 4 rows at a time"),
        ({"train.eval_batch_size": 4}, r"eval_batch_size=4 gives 4 rows at a time"),
    ],
)
def test_batches_that_the_devices_do_not_divide_are_refused(assembled_toy, changes, message):
    with pytest.raises(ConfigError, match=message):
        assembled_toy(changes, devices=8)
