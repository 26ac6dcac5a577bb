"""Where the bias of the output begins."""

import dataclasses

import jax
import numpy as np
import pytest

from bert_jax.errors import ConfigError
from bert_jax.training.state import flatten

BIAS = "masked_language_model/bias"


def test_it_begins_at_the_log_of_each_token_s_share_and_all_else_as_ever(assembled):
    zeros, frequencies = (assembled({"output_bias": name}) for name in ("zeros", "frequencies"))
    split = zeros.corpus.splits["train"]
    tokens = np.concatenate([np.asarray(shard.tokens) for shard in split.shards])
    plain, state = zeros.initial_state(None), frequencies.initial_state(None)
    before, after = flatten(plain.params), flatten(state.params)
    assert not np.asarray(before.pop(BIAS)).any()
    bias = np.asarray(after.pop(BIAS), np.float64)
    vocab_size = zeros.model.vocab_size
    for token in (*range(10), int(np.bincount(tokens).argmax()), vocab_size - 1):
        share = (np.sum(tokens == token) + 1) / (len(tokens) + vocab_size)
        assert bias[token] == pytest.approx(np.log(share), rel=1e-6)
    assert np.exp(bias).sum() == pytest.approx(1, abs=1e-5)
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)


def test_a_model_without_context_then_begins_at_the_entropy_of_the_text(assembled):
    pretraining = assembled({"output_bias": "frequencies", "model.initializer_range": 1e-6})
    phase = pretraining.plan.phases[0]
    stage = pretraining.stage(phase, pretraining.rows("train", phase))
    metrics = stage.evaluation.metrics(pretraining.initial_state(None).params)
    entropy = pretraining.corpus.splits["validation"].unigram_entropy
    assert metrics["mlm_loss"] == pytest.approx(entropy, abs=0.35)
    uniform = dataclasses.replace(pretraining, output_bias="zeros").initial_state(None)
    found = stage.evaluation.metrics(jax.tree.map(np.asarray, uniform.params))["mlm_loss"]
    assert found == pytest.approx(np.log(pretraining.model.vocab_size), abs=1e-3)
    assert found > entropy + 0.5


def test_another_beginning_is_refused(assembled):
    with pytest.raises(ConfigError, match="output_bias='ones' must be one of zeros, frequencies"):
        assembled({"output_bias": "ones"})
