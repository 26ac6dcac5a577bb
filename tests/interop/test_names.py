import re
from pathlib import Path

import jax
import pytest
from flax.traverse_util import flatten_dict

from bert_jax.interop import names
from bert_jax.interop.layout import PARTS, expected_shape
from bert_jax.interop.names import Place
from bert_jax.model import BertConfig, Execution, initialize, make_model

CHINESE = Path(__file__).resolve().parents[3] / "shared" / "data" / "weights"
CHINESE /= "tf1-chinese-variables.txt"
SIZES = {
    "vocab_size": 11,
    "hidden_size": 6,
    "num_hidden_layers": 12,
    "num_attention_heads": 2,
    "intermediate_size": 7,
    "max_position_embeddings": 5,
    "type_vocab_size": 3,
}


def shapes_of(kind, **changes):
    """The shapes of a model of ours by parameter path."""
    config = BertConfig(**SIZES | changes)
    module = make_model(kind, config, Execution(), num_labels=4)
    made = jax.eval_shape(lambda: initialize(module, jax.random.key(0)))
    return config, {"/".join(k): v.shape for k, v in flatten_dict(made).items()}


def test_a_row_is_read_in_both_directions():
    for table, ours, theirs in (
        (
            names.BERT,
            "bert/encoder/layer_11/attention/query/kernel",
            "encoder.layer.11.attention.self.query.weight",
        ),
        (
            names.PRELAYERNORM,
            "bert/encoder/layer_0/feed_forward_layer_norm/scale",
            "encoder.layer.0.intermediate.LayerNorm.weight",
        ),
        (
            names.TENSORFLOW,
            "bert/encoder/layer_3/feed_forward_layer_norm/scale",
            "bert/encoder/layer_3/output/LayerNorm/gamma",
        ),
        (names.TENSORFLOW, "classifier/kernel", "output_weights"),
        (names.TENSORFLOW, "span/bias", "cls/squad/output_bias"),
    ):
        transposed = theirs.endswith(("query.weight", "output_weights"))
        assert table.ours(theirs) == Place(ours, transposed)
        assert table.theirs(ours) == Place(theirs, transposed)


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layer.N.attention.self.query.weight",
        "encoder.layer.01.attention.self.query.weight",
        "encoder.layer.-1.attention.self.query.weight",
        "encoder.layer.1.attention.self.query",
        "encoder.layer.1.attention.self.query.weight.x",
        "embeddings.LayerNorm.gamma",
        "",
    ],
)
def test_what_is_not_in_the_table_has_no_place(name):
    assert names.BERT.ours(name) is None


@pytest.mark.parametrize("kind", PARTS)
def test_every_parameter_has_one_name_and_its_shape(kind):
    config, shapes = shapes_of(kind, tie_word_embeddings=False)
    tables = [names.BERT, names.TENSORFLOW]
    for table in tables:
        there = {path: table.theirs(path) for path in shapes}
        if table is names.TENSORFLOW:  # which ties
            assert there.pop("masked_language_model/decoder", None) is None
        assert None not in there.values()
        back = {place.path: table.ours(place.path).path for place in there.values()}
        assert sorted(back.values()) == sorted(there)
    assert {path: expected_shape(path, config, 4) for path in shapes} == shapes
    assert {path.split("/")[0] for path in shapes} == set(PARTS[kind])


def test_prelayernorm_names_all_of_a_pre_norm_model_but_next_sentence():
    _, shapes = shapes_of("pretraining", normalization="pre", tie_word_embeddings=False)
    there = {path: names.PRELAYERNORM.theirs(path) for path in shapes}
    assert {path for path, place in there.items() if place is None} == {
        "next_sentence/dense/bias",
        "next_sentence/dense/kernel",
    }
    named = {path: place for path, place in there.items() if place}
    assert len({place.path for place in named.values()}) == len(named)


@pytest.mark.skipif(not CHINESE.is_file(), reason="needs the list of the published variables")
def test_all_206_variables_of_the_published_chinese_model_have_their_place_and_shape():
    config = BertConfig(21_128, 768, 12, 12, 3_072)
    lines = re.findall(r"^(\S+) \d+ \[([\d, ]+)\]", CHINESE.read_text(), re.MULTILINE)
    assert len(lines) == 206
    paths = set()
    for name, dims in lines:
        place = names.TENSORFLOW.ours(name)
        shape = tuple(map(int, dims.split(",")))
        assert expected_shape(place.path, config, 0) == (shape[::-1] if place.transposed else shape)
        paths.add(place.path)
    assert len(paths) == 206
