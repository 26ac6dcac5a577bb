import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bert_jax.model.attention
import bert_jax.model.encoder
from bert_jax.model import BertConfig, BertForPretraining, Execution
from bert_jax.model.dropout import dropout
from bert_jax.model.encoder import Embeddings

CONFIG = BertConfig(
    vocab_size=60,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=16,
)
ROWS, LENGTH = 3, 11
# Compiling takes nearly all the time of these tests; this makes it 2.5 times shorter.
QUICK_COMPILATION = {"xla_backend_optimization_level": 0}
POSITIONS = jnp.asarray([[1, 4, 2], [3, 3, 0], [6, 5, 1]])


def rows(length=LENGTH):
    """Return ids, segments and a mask; the rows have 11, 8 and 7 tokens."""
    ids = jax.random.randint(jax.random.key(1), (ROWS, LENGTH), 0, CONFIG.vocab_size)
    segments = (jnp.arange(LENGTH) > jnp.asarray([[5], [3], [4]])).astype(jnp.int32)
    mask = (jnp.arange(LENGTH) < jnp.asarray([[11], [8], [7]])).astype(jnp.int32)
    return ids[:, :length], segments[:, :length], mask[:, :length]


@functools.cache
def parameters(normalization):
    """Draw every parameter wide, also biases and scales, so that each has an effect."""
    model = BertForPretraining(
        dataclasses.replace(CONFIG, normalization=normalization), Execution()
    )
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *rows(), POSITIONS))["params"]
    leaves, tree = jax.tree.flatten(shapes)
    rng = np.random.default_rng(0)
    drawn = [jnp.asarray(0.3 * rng.standard_normal(leaf.shape), jnp.float32) for leaf in leaves]
    return jax.tree.unflatten(tree, drawn)


@functools.cache
def loss_and_gradients(normalization, execution):
    config = dataclasses.replace(CONFIG, normalization=normalization)
    model = BertForPretraining(config, execution)

    def loss(params, key):
        logits = model.apply({"params": params}, *rows(), POSITIONS, key)
        words = jnp.mean(jnp.sin(jnp.arange(60.0)) * logits.masked_language_model)
        return words + jnp.mean(jnp.square(logits.next_sentence))

    run = jax.jit(jax.value_and_grad(loss), compiler_options=QUICK_COMPILATION)
    return run(parameters(normalization), jax.random.key(5))


@pytest.fixture(scope="module")
def hidden_of():
    """Return the hidden states of rows, as a function compiled once for each length."""
    model = BertForPretraining(CONFIG, Execution())
    return jax.jit(
        lambda *batch: (
            model.apply(
                {"params": parameters("post")}, *batch, method=lambda m, *b: m.bert(*b)
            ).hidden
        )
    )


@pytest.mark.parametrize(
    ("normalization", "execution"),
    [
        ("post", Execution(scan_layers=True)),
        ("post", Execution(rematerialize="dots")),
        ("pre", Execution(scan_layers=True, rematerialize="layer")),
    ],
    ids=["post-scanned", "post-dots-kept", "pre-scanned-rematerialised"],
)
def test_how_layers_are_run_does_not_change_loss_or_gradients(normalization, execution):
    expected_loss, expected = loss_and_gradients(normalization, Execution())
    loss, gradients = loss_and_gradients(normalization, execution)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    jax.tree.map(
        lambda g, e: np.testing.assert_allclose(g, e, rtol=1e-4, atol=1e-6), gradients, expected
    )


def test_what_is_not_kept_is_computed_again():
    """Of a layer's eight products, the two of attention if what dense layers give is kept."""
    params = parameters("post")

    def products(rematerialize):
        model = BertForPretraining(CONFIG, Execution(rematerialize=rematerialize))

        def loss(params):
            logits = model.apply({"params": params}, *rows(), POSITIONS)
            return jnp.sum(logits.masked_language_model**2) + jnp.sum(logits.next_sentence**2)

        return jax.jit(jax.grad(loss)).lower(params).as_text().count("stablehlo.dot_general")

    # Sums over rows in backward passes are products too, which nothing computes again.
    none, dots, layer = map(products, ("none", "dots", "layer"))
    layers = CONFIG.num_hidden_layers
    assert (dots - none, layer - none) == (2 * layers, 8 * layers)


def test_between_products_nothing_but_bfloat16_is_kept_where_activations_are():
    params = parameters("post")

    def kept(dtype):
        execution = Execution(compute_dtype="bfloat16", activation_dtype=dtype)
        model = BertForPretraining(CONFIG, execution)

        def hidden(params):
            return jnp.sum(model.apply({"params": params}, *rows(), POSITIONS)[0])

        kept = jax.tree.leaves(jax.vjp(hidden, params)[1])
        return [x for x in kept if x.dtype == jnp.float32 and x.shape[:2] == rows()[0].shape]

    assert len(kept("float32")) > 5 * CONFIG.num_hidden_layers
    assert len(kept("bfloat16")) <= 1  # the sum of the embeddings, which nothing multiplies


def test_every_parameter_has_a_gradient():
    _, gradients = loss_and_gradients("post", Execution())
    unused = [
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradients)
        if not np.any(leaf)
    ]
    assert not unused


@pytest.mark.parametrize("normalization", ["post", "pre"])
@pytest.mark.parametrize(
    "execution",
    [
        Execution(compute_dtype="bfloat16"),
        Execution(compute_dtype="bfloat16", activation_dtype="bfloat16"),
        Execution(compute_dtype="bfloat16", activation_dtype="bfloat16", scan_layers=True),
    ],
    ids=["products", "activations", "activations-scanned"],
)
def test_bfloat16_is_near_float32_forward_and_backward(normalization, execution):
    expected_loss, expected = loss_and_gradients(normalization, Execution())
    loss, gradients = loss_and_gradients(normalization, execution)
    assert loss != expected_loss
    np.testing.assert_allclose(loss, expected_loss, rtol=2e-2)
    flat, flat_expected = (
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(t)])
        for t in (gradients, expected)
    )
    assert np.linalg.norm(flat - flat_expected) / np.linalg.norm(flat_expected) < 5e-2


def test_what_stands_in_padding_does_not_reach_real_positions(hidden_of):
    ids, segments, mask = rows()
    real = np.asarray(mask, bool)
    other = jnp.where(mask == 1, ids, (ids + 7) % CONFIG.vocab_size)
    before, after = hidden_of(ids, segments, mask), hidden_of(other, segments, mask)
    np.testing.assert_array_equal(before[real], after[real])
    assert not np.allclose(before[~real], after[~real])


def test_more_padding_does_not_change_real_positions(hidden_of):
    ids, segments, mask = (x[1:] for x in rows())  # 8 and 7 tokens of 11
    padded = hidden_of(ids, segments, mask)[:, :8]
    cut = hidden_of(ids[:, :8], segments[:, :8], mask[:, :8])
    real = np.asarray(mask, bool)[:, :8]
    np.testing.assert_allclose(padded[real], cut[real], atol=2e-6)


def test_a_real_token_reaches_every_position_before_and_after_it(hidden_of):
    ids, segments, mask = rows()
    changed = ids.at[0, 5].set((ids[0, 5] + 1) % CONFIG.vocab_size)
    difference = np.abs(hidden_of(ids, segments, mask) - hidden_of(changed, segments, mask))
    assert (difference[0].max(-1) > 1e-4).all()
    assert (difference[1:] == 0).all()


def test_embeddings_are_the_normalised_sum_of_token_position_and_segment():
    ids, segments, _ = rows()
    params = parameters("post")["bert"]["embeddings"]
    found = Embeddings(CONFIG, Execution()).apply({"params": params}, ids, segments, None)
    total = (
        np.asarray(params["token"]["embedding"], np.float64)[np.asarray(ids)]
        + np.asarray(params["position"]["embedding"], np.float64)[:LENGTH]
        + np.asarray(params["token_type"]["embedding"], np.float64)[np.asarray(segments)]
    )
    normal = (total - total.mean(-1, keepdims=True)) / total.std(-1, keepdims=True)
    norm = params["layer_norm"]
    np.testing.assert_allclose(found, normal * norm["scale"] + norm["bias"], atol=1e-6)


def test_the_longest_sequence_fits_and_one_token_more_does_not():
    params = parameters("post")["bert"]["embeddings"]
    embeddings = Embeddings(CONFIG, Execution())
    longest = jnp.zeros((1, 16), jnp.int32)
    assert embeddings.apply({"params": params}, longest, longest, None).shape == (1, 16, 32)
    longer = jnp.zeros((1, 17), jnp.int32)
    with pytest.raises(ValueError, match="17 tokens is longer than max_position_embeddings=16"):
        embeddings.apply({"params": params}, longer, longer, None)


def test_every_place_of_dropout_draws_by_a_key_of_its_own(monkeypatch):
    seen = []

    def recording(x, rate, key):
        if key is not None:  # as when Flax asks for the shapes of parameters
            seen.append((x.ndim, rate, tuple(jax.random.key_data(key).tolist())))
        return dropout(x, rate, key)

    monkeypatch.setattr(bert_jax.model.encoder, "dropout", recording)
    monkeypatch.setattr(bert_jax.model.attention, "dropout", recording)
    config = dataclasses.replace(CONFIG, attention_probs_dropout_prob=0.2)
    model = BertForPretraining(config, Execution())
    model.apply({"params": parameters("post")}, *rows(), POSITIONS, jax.random.key(0))
    # The embeddings; and in both layers attention probabilities and what each half adds.
    assert [(ndim, rate) for ndim, rate, _ in seen] == [
        (3, 0.1), *[(4, 0.2), (3, 0.1), (3, 0.1)] * 2
    ]  # fmt: skip
    assert len({key for _, _, key in seen}) == 7


def test_weights_begin_as_a_normal_distribution_cut_at_two_deviations():
    model = BertForPretraining(CONFIG, Execution())
    params = jax.jit(model.init)(jax.random.key(0), *rows(), POSITIONS)["params"]
    drawn = {"layer_0": set(), "layer_1": set()}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = path[-1].key
        if name in ("bias", "scale"):
            np.testing.assert_array_equal(leaf, float(name == "scale"))
            continue
        assert 0.03 < np.abs(leaf).max() <= 0.04 + 1e-7 or leaf.size < 100
        assert abs(leaf.mean()) < 5 * 0.02 / np.sqrt(leaf.size)
        # The cut leaves 0.88 of the deviation.
        np.testing.assert_allclose(leaf.std(), 0.02 * 0.8796, rtol=4 / np.sqrt(2 * leaf.size))
        for layer in drawn:
            if layer in str(path):
                drawn[layer].add(float(leaf[0, 0]))
    assert len(drawn["layer_0"] | drawn["layer_1"]) == 12  # no two kernels start alike


def test_hidden_states_are_the_embeddings_and_each_layer_up_to_the_last():
    model = BertForPretraining(CONFIG, Execution())
    output = model.apply(
        {"params": parameters("post")}, *rows(), method=lambda m, *batch: m.bert(*batch)
    )
    assert len(output.hidden_states) == CONFIG.num_hidden_layers + 1
    np.testing.assert_array_equal(output.hidden_states[-1], output.hidden)
    assert not np.allclose(output.hidden_states[0], output.hidden_states[1])
