"""A description that no model has is one line, and nothing is allocated for it."""

import json
import shutil

import pytest

import bert_jax
from bert_jax.errors import CheckpointError
from bert_jax.runs import models


@pytest.fixture
def described(toy_model, tmp_path):
    """A function (changes) that gives a copy of a model with another description."""

    def make(changes):
        folder = shutil.copytree(toy_model, tmp_path / "model")
        path = folder / "model.json"
        description = json.loads(path.read_text())
        description["config"] |= changes
        path.write_text(json.dumps(description))
        return folder

    return make


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 2**40}, "hidden_size=1099511627776 must be from 1 to"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers=1000000000 must be"),
        ({"hidden_size": 16.0}, "config.hidden_size: got 16.0, wants int"),
        ({"layer_norm_eps": "x"}, "config.layer_norm_eps: got 'x', wants float"),
        ({"wings": 2}, "config.wings: no such field"),
        # Within bounds one by one; the first has rows to be drawn, the second another width.
        ({"vocab_size": 2**24}, "holds .* numbers, and by its config .* more are missing"),
        ({"hidden_size": 2**16, "intermediate_size": 2**20}, "more are missing"),
    ],
)
def test_it_is_refused_before_anything_is_drawn(described, changes, message, monkeypatch):
    folder = described(changes)

    def initialize(*args):
        raise AssertionError("drawn")

    whole = models.jax.jit
    monkeypatch.setattr(models.jax, "jit", lambda f, **o: whole(initialize, **o))
    with pytest.raises(CheckpointError, match=message) as caught:
        bert_jax.load(folder)
    assert "\n" not in str(caught.value)


def test_a_few_more_positions_are_drawn(described):
    loaded = bert_jax.load(described({"max_position_embeddings": 20}))
    assert loaded.params["bert"]["embeddings"]["position"]["embedding"].shape == (20, 16)
