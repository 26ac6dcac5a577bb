"""Which parameters move, and how fast, by their exact paths."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.model import BertConfig, Execution, initialize, make_model
from bert_jax.training.moving import Moving
from bert_jax.training.optimizer import OptimizerConfig, make_optimizer
from bert_jax.training.state import flatten, nest

LAYERS = 3


def paths_of(kind, normalization="post"):
    config = BertConfig(20, 8, LAYERS, 2, 16, normalization=normalization)
    module = make_model(kind, config, Execution(), 3)
    return set(flatten(jax.eval_shape(lambda: initialize(module, jax.random.key(0)))))


def moved(what, paths):
    return {path for path in paths if Moving(what, 1.0, LAYERS).moves(path)}


def starting(paths, *prefixes):
    return {path for path in paths if path.startswith(prefixes)}


HEADS = {
    "sequence_classification": ("bert/pooler/dense/", "classifier/"),
    "token_classification": ("classifier/",),
    "question_answering": ("span/",),
    "tagging": ("classifier/", "crf/"),
    "pretraining": ("bert/pooler/dense/", "masked_language_model/", "next_sentence/"),
}


@pytest.mark.parametrize("kind", HEADS)
def test_the_head_is_what_stands_above_the_encoder(kind):
    paths = paths_of(kind)
    expected = starting(paths, *HEADS[kind])
    assert moved("head", paths) == moved("top:0", paths) == expected
    assert len(expected) >= 2 * len(HEADS[kind])


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_top_layers_move_with_the_head(layers):
    paths = paths_of("sequence_classification")
    top = [f"bert/encoder/layer_{i}/" for i in range(LAYERS - layers, LAYERS)]
    expected = starting(paths, *top, *HEADS["sequence_classification"])
    assert moved(f"top:{layers}", paths) == expected
    assert len(expected) == 16 * layers + 4


def test_all_is_all():
    paths = paths_of("tagging")
    assert moved("all", paths) == paths
    assert moved(f"top:{LAYERS}", paths) == paths - starting(paths, "bert/embeddings/")


def test_the_last_norm_of_a_pre_norm_encoder_goes_with_its_top_layer():
    paths = paths_of("sequence_classification", "pre")
    last = {"bert/encoder/layer_norm/scale", "bert/encoder/layer_norm/bias"}
    assert last <= paths
    assert not last & moved("head", paths)
    assert last <= moved("top:1", paths)
    assert all(Moving("all", 0.5, LAYERS).rate(path) == 0.5 for path in last)


def test_rates_fall_from_the_head_down_to_the_embeddings():
    paths = paths_of("sequence_classification")
    expected = {
        "classifier/": 1.0,
        "bert/pooler/": 1.0,
        "bert/encoder/layer_2/": 0.8,
        "bert/encoder/layer_1/": 0.8**2,
        "bert/encoder/layer_0/": 0.8**3,
        "bert/embeddings/": 0.8**4,
    }
    seen = set()
    for prefix, rate in expected.items():
        for path in starting(paths, prefix):
            assert Moving("all", 0.8, LAYERS).rate(path) == pytest.approx(rate, rel=1e-12)
            seen.add(path)
    assert seen == paths
    assert {Moving("all", 1.0, LAYERS).rate(path) for path in paths} == {1.0}


def test_the_optimizer_scales_the_whole_step_of_a_parameter_decay_and_all():
    names = ("bert/embeddings/token/embedding", "bert/encoder/layer_2/attention/query/kernel",
             "classifier/kernel")  # fmt: skip
    params = nest({name: jnp.arange(1.0, 4.0) for name in names})
    gradient = jax.tree.map(lambda x: jnp.cos(x), params)
    config = OptimizerConfig("adamw", 1e-3, 0, "constant", 0.0, 0.9, 0.999, 1e-8, 0.1, (), 1.0)

    def first_step(*multiple):
        optimizer = make_optimizer(config, *multiple)
        return flatten(optimizer.update(gradient, optimizer.init(params), params, rate=1e-3)[0])

    plain, scaled = first_step(), first_step(Moving("all", 0.5, LAYERS).rate)
    for name, rate in zip(names, (0.5**4, 0.5, 1.0), strict=True):
        assert np.abs(plain[name]).min() > 1e-4
        np.testing.assert_allclose(scaled[name], rate * plain[name], rtol=1e-6)


@pytest.mark.parametrize("what", ["none", "top", "top:", "top:4", "top:-1", "heads", ""])
def test_anything_else_is_refused_with_what_is_possible(what):
    with pytest.raises(ValueError, match="'all', 'head' or 'top:K' with K layers of 3"):
        Moving(what, 1.0, LAYERS)


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.01])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ValueError, match="layer_decay=.* must be in"):
        Moving("all", decay, LAYERS)
