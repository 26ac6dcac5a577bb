"""Runs that cannot be: each is one error with its code, before anything is trained."""

import json

import pytest

from bert_jax import cli
from bert_jax.errors import CheckpointError, ConfigError, DataError
from bert_jax.model import BertConfig
from bert_jax.runs import pretraining as runs
from bert_jax.runs.identity import check_config, keep_config
from bert_jax.runs.models import write_description
from bert_jax.runs.pretraining_config import PretrainConfig


@pytest.fixture
def start(run_values, tmp_path):
    """A function (changes) that runs with them in the test's own folder."""

    def run(changes=None):
        values = run_values(changes)
        config = cli.build(PretrainConfig, values, "config")
        return runs.run(config, values, tmp_path / "run", "the command")

    return run


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # Runs take all eight simulated devices.
        ({"train.batch_size": 12}, r"batch_size=12 in 1 parts gives 12 rows, .* mesh's 8 parts"),
        ({"train.gradient_accumulation": 2}, "gives 4 rows, which the mesh's 8 parts"),
        ({"mesh.sequence": 4, "train.max_seq_length": 30}, "rows of 30 tokens .* mesh's 4 parts"),
        ({"mesh.tensor": 3}, r"config\.mesh: .* does not give the 8 devices"),
        ({"mesh.tensor": 2, "model.vocab_size": 65}, r"65 along 'vocab'.*vocab_size=66"),
        ({"model.vocab_size": 20}, r"vocab_size=20 is smaller than the tokenizer's \d\d;"),
        ({"train.max_seq_length": 64}, r"max_seq_length=64 is more than .*embeddings=32"),
        ({"train.steps": 0}, r"config\.train\.steps=0"),
        ({"train.log_every": 0}, r"config\.train: log_every=0 must be at least 1"),
        ({"train.keep_checkpoints": 0}, r"config\.train: keep_checkpoints=0 must be at least 1"),
        ({"optimizer.name": "adan"}, r"config\.optimizer: name='adan' must be one of bert_adamw"),
        ({"masking.evaluation_rate": 1.5}, r"config\.masking: rate=1.5 must be between 0 and 1"),
        ({"masking.rate": 0.0}, "rate=0.0 must be between 0 and 1"),
        ({"model.num_attention_heads": 5}, r"config\.model: hidden_size=32 is not a multiple"),
        ({"compute_dtype": "float16"}, r"config: compute_dtype='float16' must be one of"),
        ({"rules.mlp": ("model",)}, r"config\.rules\.mlp: no mesh axis 'model'"),
        ({"mesh.fsdp": 8, "rules.vocab": ("fsdp",)}, "an axis is used twice"),
    ],
)
def test_an_unusable_value_is_a_config_error(start, changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        start(changes)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "7"])
def test_a_damaged_account_of_a_run_is_an_error_that_says_what_to_do(start, tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(DataError, match=r"run\.json: unreadable .*; remove it, and the same"):
        start({})


def test_without_that_account_the_config_of_a_run_with_checkpoints_still_binds(
    start, run_values, tmp_path
):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    keep_config(tmp_path / "run" / "config.json", run_values({"model.vocab_size": 64}))
    with pytest.raises(ConfigError, match="holds a run with another config"):
        start({"model.vocab_size": 21})


def test_a_refused_config_does_not_bind_the_folder(start):
    with pytest.raises(ConfigError, match="vocab_size=20"):
        start({"model.vocab_size": 20})
    with pytest.raises(ConfigError, match="vocab_size=21"):
        start({"model.vocab_size": 21})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer.beta2": 0.5}, r"optimizer\.beta2: was 0\.\d+, now 0\.5"),
        ({"seed": 1}, "seed: was 0, now 1"),
        ({"phases": {"long": {"steps": 5}}}, r"phases\.long\.steps: was None, now 5"),
    ],
)
def test_another_config_in_a_run_s_folder_is_refused_by_the_fields_that_differ(
    run_values, tmp_path, changes, message
):
    keep_config(tmp_path / "config.json", run_values())
    kept = (tmp_path / "config.json").read_bytes()
    other = run_values({k: v for k, v in changes.items() if k != "phases"})
    other["phases"] = changes.get("phases", {})
    with pytest.raises(ConfigError, match=message):
        check_config(tmp_path / "config.json", other)
    assert (tmp_path / "config.json").read_bytes() == kept


def test_what_does_not_make_it_another_run_may_change(run_values, tmp_path):
    path = tmp_path / "config.json"
    keep_config(path, run_values())
    other = run_values({"train.steps": 99, "mesh.fsdp": 2, "train.log_every": 1})
    check_config(path, other)
    keep_config(path, other)
    assert json.loads(path.read_text())["train"]["steps"] == 99


def test_a_run_from_before_there_was_a_field_continues_as_it_was(run_values, tmp_path):
    values, path = run_values(), tmp_path / "config.json"
    older = run_values()
    del older["attention"], older["optimizer"]["mu_dtype"], older["probe"]
    keep_config(path, older)
    check_config(path, values)
    half = run_values({"optimizer.mu_dtype": "bfloat16"})
    with pytest.raises(ConfigError, match="mu_dtype: was 'float32', now 'bfloat16'"):
        check_config(path, half)


def test_a_config_that_cannot_be_read_is_refused(run_values, tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="unreadable"):
        check_config(tmp_path / "config.json", run_values())


def test_a_run_does_not_go_on_with_another_corpus(start, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({"corpus_fingerprint": "0" * 64}))
    with pytest.raises(DataError, match="the corpus is not what this run began with") as caught:
        start()
    assert caught.value.exit_code == 3


def test_a_start_from_a_run_without_a_checkpoint_is_refused(start, corpus_directory, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_description(other, BertConfig(64, 32, 2, 4, 64), "pretraining")
    with pytest.raises(CheckpointError, match="other/checkpoints: there is no") as caught:
        start({"init_from": str(other)})
    assert caught.value.exit_code == 4


def test_a_start_from_no_run_is_refused(start, tmp_path):
    with pytest.raises(CheckpointError, match="nowhere: no model here"):
        start({"init_from": str(tmp_path / "nowhere")})


@pytest.fixture(scope="module")
def one_document(prepare_text, text_file, tmp_path_factory):
    """A prepared folder whose training split is a single document."""
    folder = tmp_path_factory.mktemp("one")
    path = folder / "text.txt"
    path.write_text(text_file.read_text().replace("\n\n", "\n"))
    return prepare_text(path, folder / "prepared")


def test_one_document_is_too_few_for_next_sentence_prediction(start, one_document):
    with pytest.raises(DataError, match=r"one document.*pairs\.next_sentence=False") as caught:
        start({"data.path": str(one_document)})
    assert caught.value.exit_code == 3 and "\n" not in str(caught.value)


def test_one_document_is_enough_without_it(start, one_document, tmp_path, with_devices):
    changes = {"data.path": str(one_document), "pairs.next_sentence": False}
    changes |= {"train.steps": 4, "model.num_hidden_layers": 1}
    with with_devices(1):
        assert start(changes) == 0
    (line,) = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    values = json.loads(line)
    assert "nsp_loss" not in values and values["loss"] == values["mlm_loss"]
