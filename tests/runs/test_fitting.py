"""What becomes of a checkpoint's arrays in a model of other sizes."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from bert_jax.errors import CheckpointError
from bert_jax.interop.published import Published
from bert_jax.model import BertConfig, Execution, initialize, make_model
from bert_jax.runs.fitting import fit
from bert_jax.runs.models import complete
from bert_jax.training.state import flatten

CONFIG = BertConfig(
    vocab_size=12,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=6,
)
TABLE = "bert/embeddings/token/embedding"
POSITIONS = "bert/embeddings/position/embedding"


def draw(config=CONFIG, kind="pretraining", seed=0, labels=0):
    module = make_model(kind, config, Execution(), labels)
    return jax.jit(lambda: initialize(module, jax.random.key(seed)))()


@pytest.fixture(scope="module")
def published():
    arrays = {path: np.asarray(leaf) for path, leaf in flatten(draw()).items()}
    return Published(CONFIG, "pretraining", (), arrays, ("step [a counter]",), None, Path("file"))


def fates(fitted):
    return {path: fate for path, _, fate in fitted.account}


def test_a_whole_checkpoint_is_loaded_as_it_is(published):
    fitted = fit(published, draw(seed=1))
    assert fitted.new == ()
    for path, leaf in flatten(fitted.params).items():
        np.testing.assert_array_equal(leaf, published.arrays[path])
    assert set(fates(fitted).values()) == {"loaded", "left out"}
    assert fates(fitted)["step [a counter]"] == "left out"


def test_a_padded_vocabulary_and_more_positions_keep_the_new_rows_as_drawn(published):
    drawn = draw(dataclasses.replace(CONFIG, vocab_size=16, max_position_embeddings=9), seed=1)
    fitted = fit(published, drawn)
    params, drawn = flatten(fitted.params), flatten(drawn)
    for path, rows in ((TABLE, 12), (POSITIONS, 6), ("masked_language_model/bias", 12)):
        np.testing.assert_array_equal(params[path][:rows], published.arrays[path])
        np.testing.assert_array_equal(params[path][rows:], drawn[path][rows:])
        assert len(params[path]) > rows
    assert fates(fitted)[TABLE] == "12 rows, the rest new"


def test_rows_beyond_the_model_are_cut(published):
    fitted = fit(published, draw(dataclasses.replace(CONFIG, max_position_embeddings=4)))
    np.testing.assert_array_equal(
        flatten(fitted.params)[POSITIONS], published.arrays[POSITIONS][:4]
    )
    assert fates(fitted)[POSITIONS] == "4 of 6 rows"


def test_another_size_is_refused_with_both_shapes(published):
    drawn = draw(dataclasses.replace(CONFIG, intermediate_size=20))
    with pytest.raises(CheckpointError, match=r"intermediate/bias is 16 in .* 20 in the model"):
        fit(published, drawn)


def test_what_the_checkpoint_lacks_is_drawn_from_the_seed_and_named(published):
    arrays = {path: a for path, a in published.arrays.items() if path.startswith("bert/e")}
    model = dataclasses.replace(
        published, arrays=arrays, kind="sequence_classification", labels=("a", "b", "c")
    )
    fitted = complete(model, seed=5)
    classifier = ("classifier/bias", "classifier/kernel")
    assert fitted.new == ("bert/pooler/dense/bias", "bert/pooler/dense/kernel", *classifier)
    drawn = flatten(draw(kind="sequence_classification", seed=5, labels=3))
    params = flatten(fitted.params)
    for path in fitted.new:
        np.testing.assert_array_equal(params[path], drawn[path])
        assert fates(fitted)[path] == "newly initialised"
    np.testing.assert_array_equal(params[TABLE], arrays[TABLE])


def test_the_table_folds_equal_layers(published):
    lines = fit(published, draw()).table().splitlines()
    (kernel,) = [line for line in lines if "query/kernel" in line]
    assert kernel.split() == ["bert/encoder/layer_*/attention/query/kernel", "8x8", "loaded", "2"]
