"""A run whose rows hold several sentence pairs each."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_continued_run import Killed, lines, outcome

from bert_jax import cli
from bert_jax.runs import pretraining as runs
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.records import Records

# Rows are longer than the model's 32 positions: those are of a sequence.
PACKED = {
    "train.packed_length": 96,
    "train.packed_sequences": 6,
    "pairs.short_sequence_probability": 0.5,
    "train.steps": 20,
    "train.eval_every": 20,
}


@pytest.fixture(scope="module")
def start(run_values, with_devices):
    """A function (folder) that runs, or continues, the packed run on one device."""

    def run(workdir):
        values = run_values(PACKED)
        config = cli.build(PretrainConfig, values, "config")
        with with_devices(1):
            return runs.run(config, values, workdir, "the command")

    return run


@pytest.fixture(scope="module")
def straight(start, tmp_path_factory):
    """The folder of a run without an interruption."""
    workdir = tmp_path_factory.mktemp("runs") / "straight"
    assert start(workdir) == 0
    return workdir


def test_it_learns_and_tells_how_full_its_rows_are(straight):
    pairs = json.loads((straight / "pairs.json").read_text())
    assert pairs["train"]["pairs_per_row"] > 3
    assert pairs["train"]["pairs"] > 3 * pairs["train"]["rows"]
    assert pairs["train"]["padding_share"] < 0.05
    metrics = lines(straight / "metrics.jsonl")
    train = [line for line in metrics if line["split"] == "train"]
    assert train[0]["mlm_loss"] > np.log(64) > train[-1]["mlm_loss"] + 0.1  # by chance of 64 pieces
    for line in train:
        share = line["useful_tokens_per_second"] / line["tokens_per_second"]
        assert share == pytest.approx(1 - pairs["train"]["padding_share"])
        ratio = line["tokens_per_second"] / line["sequences_per_second"]
        assert ratio == pytest.approx(96 / pairs["train"]["pairs_per_row"])


def test_it_is_evaluated_on_the_rows_of_a_run_that_is_not_packed(straight, assembled):
    pairs = json.loads((straight / "pairs.json").read_text())
    assert pairs["validation"]["pairs"] == pairs["validation"]["rows"]
    packed, plain = (assembled(PACKED | changes) for changes in ({}, {"train.packed_length": 0}))
    params = packed.initial_state(None).params
    found, expected = (
        of.stage(phase, of.rows("train", phase)).evaluation.metrics(params)
        for of in (packed, plain)
        for phase in of.plan.phases
    )
    assert found == expected


def test_a_continued_run_ends_bit_for_bit_like_one_that_never_stopped(
    straight, start, assembled, tmp_path
):
    whole, workdir = Records.metrics, tmp_path / "run"

    def until_12(self, step, split, values):
        if step == 12:
            raise Killed
        whole(self, step, split, values)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Records, "metrics", until_12)
        start(workdir)
    assert Checkpoints(workdir / "checkpoints", keep=2).steps() == [5, 10]
    assert start(workdir) == 0
    of = functools.partial(outcome, assembled=lambda: assembled(PACKED))
    assert of(workdir) == of(straight)


def test_a_mesh_takes_the_same_step_within_rounding(assembled):
    changes = PACKED | {"train.gradient_accumulation": 2}
    one = assembled(changes)
    mesh = {"mesh.fsdp": 2, "mesh.tensor": 2, "mesh.sequence": 2}
    cut = assembled(changes | mesh, devices=8)
    start = one.initial_state(None)
    params, metrics = zip(*(step_of(pretraining, start) for pretraining in (one, cut)), strict=True)
    assert metrics[0]["nsp_loss"].denominator > 2 * 8
    for name in ("mlm_loss", "nsp_loss"):
        assert metrics[0][name].denominator == metrics[1][name].denominator
        np.testing.assert_allclose(
            metrics[0][name].numerator, metrics[1][name].numerator, rtol=2e-6
        )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=2e-5), *params)


def step_of(pretraining, start):
    """Take the first step of a pretraining from a state; return parameters and metrics."""
    (phase,) = pretraining.plan.phases
    stage = pretraining.stage(phase, pretraining.rows("train", phase))
    shardings = pretraining.sharding.of_state(pretraining.abstract_state)
    state = jax.device_put(jax.tree.map(jnp.copy, start), shardings)
    rate, largest = np.float32(1e-3), np.float32(np.inf)
    state, metrics, _ = stage.train_step(state, stage.batch(0), rate, largest)
    return jax.device_get((state.params, metrics))
