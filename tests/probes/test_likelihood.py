"""Pseudo-log-likelihood against the model asked one mask at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.errors import DataError
from bert_jax.probes import sentences
from bert_jax.probes.likelihood import PairProbe, shares
from bert_jax.probes.pairs import Pair

PAIRS = [
    Pair("one", "a b c", "a c b", "own.tsv:1"),
    Pair("one", "d e f", "e d f", "own.tsv:2"),
    Pair("two", "a b c d e f g", "g f e", "own.tsv:3"),
]


def test_likelihoods_are_those_of_one_mask_at_a_time_without_padding(
    small, letters, device, monkeypatch
):
    monkeypatch.setattr(sentences, "ROWS", 8)  # 22 rows: the last batch is filled up
    probe = PairProbe(small.module.apply, PAIRS, letters, 12, device)
    apply, wanted = jax.jit(small.module.apply), []
    for text in (text for pair in PAIRS for text in (pair.good, pair.bad)):
        ids = [1, *letters.encode_batch([text])[0], 2]
        total = 0.0
        for place in range(1, len(ids) - 1):
            row = np.array([ids], np.int32)
            row[0, place] = 3
            row, masked = jnp.asarray(row), jnp.asarray([[place]])
            logits = apply({"params": small.params}, row, 0 * row, 0 * row + 1, masked)
            scores = logits.masked_language_model[0, 0, :20]
            total += float(jax.nn.log_softmax(scores)[ids[place]])
        wanted.append(total)
    found = probe.likelihoods(small.params)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert np.ptp(wanted) > 1
    assert probe(small.params) == shares(PAIRS, np.array(wanted)) == probe(small.params)


def test_shares_are_of_pairs_in_the_right_order_and_a_tie_is_half_of_one():
    found = shares(PAIRS, np.array([-1.0, -2.0, -3.0, -3.0, -5.0, -4.0]))
    assert found == {
        "pairs": 3.0,
        "pairs_accuracy": 0.5,
        "pairs_accuracy/one": 0.75,
        "pairs_accuracy/two": 0.0,
    }


def test_a_sentence_that_the_model_cannot_take_is_named(small, letters, device):
    with pytest.raises(DataError, match=r"own.tsv:3: 'a b c d e f g' has 9 tokens, but"):
        PairProbe(small.module.apply, PAIRS, letters, 8, device)
