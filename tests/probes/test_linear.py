"""The linear probe: vectors of sentences against the encoder asked one at a time."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax import cli
from bert_jax.errors import ConfigError, DataError
from bert_jax.model import Bert
from bert_jax.probes import sentences
from bert_jax.probes.labelled import Labelled
from bert_jax.probes.linear import LinearProbe, accuracies
from bert_jax.probes.probing import ProbeConfig, make_probe

TEXTS = ("a b c", "c b a", "a b c d e f g", "g", "a")


def test_vectors_are_means_over_the_tokens_of_one_sentence_at_a_time(
    small, letters, device, monkeypatch
):
    monkeypatch.setattr(sentences, "ROWS", 4)  # the last batch is filled up
    bert = Bert(small.module.config, small.module.execution)
    of_encoder = jax.jit(functools.partial(bert.apply, method=Bert.encode))

    def encode(variables, *inputs):
        return of_encoder({"params": variables["params"]["bert"]}, *inputs)[-1]

    asked = [Labelled("one", "x", text, f"own.tsv:{i}") for i, text in enumerate(TEXTS)]
    found = LinearProbe(encode, asked, letters, 12, device).vectors(small.params)
    for text, vector in zip(TEXTS, found, strict=True):
        row = jnp.array([[1, *letters.encode_batch([text])[0], 2]])
        hidden = encode({"params": small.params}, row, 0 * row, 0 * row + 1)
        np.testing.assert_allclose(vector, hidden[0].mean(0), atol=1e-5)
    assert not np.allclose(found[0], found[1], atol=0.01)
    with pytest.raises(DataError, match=r"own.tsv:2: 'a b c d e f g' has 9 tokens, .*labelled="):
        LinearProbe(encode, asked, letters, 8, device)


def test_each_task_has_its_own_labels_and_majority():
    kinds = [("one", "x")] * 3 + [("two", "x"), ("two", "y")] * 4 + [("one", "y")] * 7
    asked = [Labelled(task, label, "", "") for task, label in kinds]
    vectors = np.array([[label == "y"] for _, label in kinds], np.float32)
    vectors[3:11] = 0  # of task two nothing can be told
    assert accuracies(asked, vectors) == {
        "linear_sentences": 18.0,
        "linear_accuracy": 14 / 18,
        "linear_majority": 11 / 18,
        "linear_accuracy/one": 1.0,
        "linear_majority/one": 0.7,
        "linear_accuracy/two": 0.5,
        "linear_majority/two": 0.5,
    }


def bag_of_letters(variables, ids, token_type_ids, attention_mask):
    return jax.nn.one_hot(ids, 20)


def what_else_is_there(variables, ids, token_type_ids, attention_mask, positions):
    return SimpleNamespace(masked_language_model=jax.nn.one_hot(ids, 20).sum(1, keepdims=True))


def test_a_run_may_ask_one_thing_or_the_other_or_both(letters, device, tmp_path):
    pairs, labelled = tmp_path / "pairs.tsv", tmp_path / "labelled.tsv"
    pairs.write_text("double\ta b b\ta b c\n")
    labelled.write_text("".join(f"first\t{x}\t{x} {y}\n" for y in "cdefghijkl" for x in "ab"))

    def asked(every=5, pairs="", labelled=""):
        config = ProbeConfig(every, str(pairs), str(labelled))
        return make_probe(config, what_else_is_there, bag_of_letters, letters, 12, device)

    def metrics(**files):
        probe = asked(**files)
        assert probe and probe.every == 5
        return probe.metrics({})

    of_pairs, of_labelled = metrics(pairs=pairs), metrics(labelled=labelled)
    assert of_pairs == {"pairs": 1.0, "pairs_accuracy": 1.0, "pairs_accuracy/double": 1.0}
    assert of_labelled == {
        "linear_sentences": 20.0,
        "linear_accuracy": 1.0,
        "linear_majority": 0.5,
        "linear_accuracy/first": 1.0,
        "linear_majority/first": 0.5,
    }
    assert metrics(pairs=pairs, labelled=labelled) == of_pairs | of_labelled
    assert asked(every=0, pairs="nowhere.tsv") is None
    with pytest.raises(DataError, match="nowhere.tsv"):
        asked(labelled="nowhere.tsv")
    with pytest.raises(ConfigError, match="config.probe: pairs='' and labelled='' leave nothing"):
        cli.build(ProbeConfig, {"every": 5, "pairs": "", "labelled": ""}, "config.probe")
