"""A run through two phases, and what is done with a finished one."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bert_jax
from bert_jax import cli
from bert_jax.errors import CheckpointError, ConfigError
from bert_jax.runs import pretraining as runs
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.training.checkpoints import Checkpoints


@pytest.fixture(scope="module")
def start(with_devices):
    """A function (values, folder) that runs on one device."""

    def run(values, workdir):
        config = cli.build(PretrainConfig, values, "config")
        with with_devices(1):
            return runs.run(config, values, workdir, "the command")

    return run


@pytest.fixture(scope="module")
def phased(start, run_values, tmp_path_factory):
    """Four steps at length 16, then four at 32 with the schedule begun anew."""
    workdir = tmp_path_factory.mktemp("runs") / "phased"
    labelled = tmp_path_factory.mktemp("labelled") / "own.tsv"
    # The first word tells the label, which no encoder can hide.
    labelled.write_text("".join(f"word\t{a}\t{a * 3} {b}.\n" for b in "cdefghij" for a in "ab"))
    asked = {"probe.every": 3, "probe.pairs": "", "probe.labelled": str(labelled)}
    lengths = {"train.steps": 8, "train.max_seq_length": 16, "train.log_every": 1}
    values = run_values(lengths | asked)
    long = {"steps": 4, "max_seq_length": 32, "restart_schedule": True, "warmup_steps": 2}
    values["phases"] = {"long": long | {"learning_rate": 1e-4, "batch_size": 4}}
    assert start(values, workdir) == 0
    return workdir


def test_each_phase_has_its_shape_and_its_schedule(phased):
    lines = [json.loads(line) for line in (phased / "metrics.jsonl").read_text().splitlines()]
    train = [line for line in lines if line["split"] == "train"]
    tokens = [line["tokens_per_second"] / line["sequences_per_second"] for line in train]
    assert np.round(tokens).tolist() == [16] * 4 + [32] * 4
    # The small run's own schedule is still warming up: steps 0 to 3 of 5 to 1.5e-3. Then anew:
    # 2 steps of warm-up to 1e-4 and a decay over the phase's 4 steps.
    rates = [line["learning_rate"] for line in train]
    expected = [0, 3e-4, 6e-4, 9e-4, 0, 5e-5, 5e-5, 2.5e-5]
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-12)
    assert (phased / "pairs.long.json").exists()
    asked = [line for line in lines if line["split"] == "probe"]
    assert [line["step"] for line in asked] == [3, 6, 8]
    for line in asked:
        assert "pairs" not in line and line["linear_sentences"] == 16
        assert (line["linear_accuracy/word"], line["linear_majority/word"]) == (1.0, 0.5)


def test_a_run_is_loaded_with_all_it_takes_to_use_it(phased):
    loaded = bert_jax.load(phased)
    ids = jnp.asarray([[loaded.tokenizer.cls_id, 7, loaded.tokenizer.mask_id, 9]])
    logits = loaded.module.apply(
        {"params": loaded.params}, ids, jnp.zeros_like(ids), jnp.ones_like(ids), jnp.array([[2]])
    )
    assert logits.masked_language_model.shape == (1, 1, loaded.config.vocab_size)
    assert Checkpoints(phased / "checkpoints", keep=2).steps()[-1] == 8
    assert jnp.isfinite(logits.next_sentence).all()


def test_a_run_begins_with_the_parameters_of_another(phased, assembled):
    state = assembled().initial_state(str(phased))
    trained = bert_jax.load(phased).params
    jax.tree.map(np.testing.assert_array_equal, state.params, trained)
    assert int(state.step) == 0
    drawn = assembled().initial_state(None).params["bert"]["pooler"]["dense"]["kernel"]
    assert not jnp.array_equal(drawn, trained["bert"]["pooler"]["dense"]["kernel"])


def test_parameters_of_another_shape_or_tokenizer_are_refused(phased, assembled, tmp_path):
    with pytest.raises(ConfigError, match=r"say --config.model.intermediate_size=64$"):
        assembled({"model.intermediate_size": 128}).initial_state(str(phased))
    with pytest.raises(CheckpointError, match="no model here"):
        assembled().initial_state(str(tmp_path))
    with pytest.raises(ConfigError, match=r"say --config.model.hidden_act=gelu"):
        assembled({"model.hidden_act": "relu"}).initial_state(str(phased))
    with pytest.raises(CheckpointError, match="no model here"):
        bert_jax.load(tmp_path)
