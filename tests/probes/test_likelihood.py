"""Pseudo-log-likelihood against the model asked one mask at a time."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from bert_jax.errors import DataError
from bert_jax.model import BertConfig, BertForPretraining, Execution
from bert_jax.probes import likelihood
from bert_jax.probes.likelihood import PairProbe, shares
from bert_jax.probes.pairs import Pair

CONFIG = BertConfig(
    vocab_size=24,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=12,
    initializer_range=0.5,
)
PAIRS = [
    Pair("one", "a b c", "a c b", "own.tsv:1"),
    Pair("one", "d e f", "e d f", "own.tsv:2"),
    Pair("two", "a b c d e f g", "g f e", "own.tsv:3"),
]


class _Letters:
    """A tokenizer of letters; ids 20 to 23 are the model's alone."""

    pad_id, cls_id, sep_id, mask_id, vocab_size = 0, 1, 2, 3, 20

    def encode_batch(self, texts):
        return [[ord(letter) - ord("a") + 4 for letter in text.split()] for text in texts]


LETTERS: Any = _Letters()


def make(pairs=PAIRS, positions=12):
    model = BertForPretraining(CONFIG, Execution())
    device = NamedSharding(
        jax.make_mesh((1,), ("data",), devices=jax.devices()[:1]), PartitionSpec()
    )
    probe = PairProbe(model.apply, pairs, LETTERS, positions, device)
    ids = jnp.zeros((1, 4), jnp.int32)
    params = jax.jit(model.init)(jax.random.key(0), ids, ids, ids, ids[:, :1])["params"]
    return model, probe, params


def test_likelihoods_are_those_of_one_mask_at_a_time_without_padding(monkeypatch):
    monkeypatch.setattr(likelihood, "ROWS", 8)  # 22 rows: the last batch is filled up
    model, probe, params = make()
    apply, wanted = jax.jit(model.apply), []
    for text in (text for pair in PAIRS for text in (pair.good, pair.bad)):
        ids = [1, *LETTERS.encode_batch([text])[0], 2]
        total = 0.0
        for place in range(1, len(ids) - 1):
            row = np.array([ids], np.int32)
            row[0, place] = 3
            row, masked = jnp.asarray(row), jnp.asarray([[place]])
            logits = apply({"params": params}, row, 0 * row, 0 * row + 1, masked)
            scores = logits.masked_language_model[0, 0, :20]
            total += float(jax.nn.log_softmax(scores)[ids[place]])
        wanted.append(total)
    found = probe.likelihoods(params)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert np.ptp(wanted) > 1
    assert probe(params) == shares(PAIRS, np.array(wanted)) == probe(params)


def test_shares_are_of_pairs_in_the_right_order_and_a_tie_is_half_of_one():
    found = shares(PAIRS, np.array([-1.0, -2.0, -3.0, -3.0, -5.0, -4.0]))
    assert found == {
        "pairs": 3.0,
        "pairs_accuracy": 0.5,
        "pairs_accuracy/one": 0.75,
        "pairs_accuracy/two": 0.0,
    }


def test_a_sentence_that_the_model_cannot_take_is_named():
    with pytest.raises(DataError, match=r"own.tsv:3: 'a b c d e f g' has 9 tokens, but"):
        make(positions=8)
