import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.data.batches import Batch
from bert_jax.model import Execution, Unscored
from bert_jax.objectives.masking import Masking, Vocabulary
from bert_jax.objectives.pretraining import pretraining_objective

ROWS, LENGTH, SIZE = 6, 24, 30
LENGTHS = np.array([24, 7, 12, 24, 5, 18])
MASKING = Masking(0.15, 5, 0.8, 0.1)


def apply(variables, ids, segments, mask, positions, key, packing, method):
    """A model of two tables: each token scores the vocabulary, each first token the pair."""
    assert packing is None
    assert method == "before_scores"
    params = variables["params"]
    chosen = jnp.take_along_axis(ids + segments + mask, positions, 1)
    words, pairs = params["words"][chosen], params["pairs"][ids[:, 1]]
    scale = 1.0 if key is None else 1 + jax.random.uniform(key)
    unscored = Unscored(words * scale, jnp.eye(SIZE), jnp.zeros(SIZE), Execution())
    return unscored, pairs * scale


def objective(with_nsp=True):
    vocabulary = Vocabulary(SIZE, 4, (0, 1, 2, 3, 4))
    return pretraining_objective(apply, MASKING, vocabulary, with_nsp=with_nsp)


@pytest.fixture(scope="module")
def setting():
    rng = np.random.default_rng(0)
    mask = (np.arange(LENGTH) < LENGTHS[:, None]).astype(np.int32)
    ids = rng.integers(5, SIZE, (ROWS, LENGTH)).astype(np.int32) * mask
    segments = (np.arange(LENGTH) >= 3).astype(np.int32) * mask
    batch = Batch(*(jnp.asarray(x) for x in (ids, segments, mask, LENGTHS % 2)))
    params = {
        "words": jnp.asarray(rng.standard_normal((SIZE + 2, SIZE)), jnp.float32),
        "pairs": jnp.asarray(rng.standard_normal((SIZE, 2)), jnp.float32),
    }
    examples = objective().examples(batch, jax.random.key(0))
    return types.SimpleNamespace(batch=batch, params=params, examples=examples)


def test_the_denominators_are_predictions_and_rows(setting):
    weights = objective().weights(setting.examples)
    predictions = sum(min(5, max(1, round(0.15 * int(n)))) for n in LENGTHS)
    assert weights == {"mlm_loss": predictions, "nsp_loss": ROWS}


def test_the_loss_is_the_sum_of_both_means(setting):
    own = objective()
    weights = own.weights(setting.examples)
    loss, metrics = own.loss(setting.params, setting.examples, weights, None)
    mlm, nsp = metrics["mlm_loss"], metrics["nsp_loss"]
    expected = mlm.numerator / (mlm.denominator + 1e-5) + nsp.numerator / nsp.denominator
    np.testing.assert_allclose(loss, expected, rtol=1e-7)
    assert set(metrics) == {
        *("mlm_loss", "mlm_accuracy", "mlm_hidden_accuracy", "nsp_loss", "nsp_accuracy")
    }
    shown = np.take_along_axis(
        np.asarray(setting.examples.masked.input_ids), setting.examples.masked.positions, 1
    )
    hidden = (shown == 4) * setting.examples.masked.weights
    assert metrics["mlm_hidden_accuracy"].denominator == hidden.sum() < mlm.denominator


def test_without_next_sentence_prediction_there_is_no_word_of_it(setting):
    own = objective(with_nsp=False)
    weights = own.weights(setting.examples)
    gradient = jax.grad(lambda p: own.loss(p, setting.examples, weights, None)[0])(setting.params)
    _, metrics = own.loss(setting.params, setting.examples, weights, None)
    assert set(metrics) == {"mlm_loss", "mlm_accuracy", "mlm_hidden_accuracy"}
    assert not gradient["pairs"].any()
    assert gradient["words"].any()


def test_losses_and_gradients_of_parts_add_up_to_the_whole(setting):
    own = objective()
    weights = own.weights(setting.examples)
    run = jax.jit(jax.value_and_grad(own.loss, has_aux=True))
    whole = run(setting.params, setting.examples, weights, None)
    halves = [jax.tree.map(lambda x, half=half: x[half], setting.examples)
              for half in (slice(3), slice(3, None))]  # fmt: skip
    assert halves[0].masked.weights.sum() != halves[1].masked.weights.sum()
    parts = [run(setting.params, half, weights, None) for half in halves]
    added = jax.tree.map(lambda *x: sum(x), *parts)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), added, whole)


def test_unused_predictions_have_no_part_in_the_gradient(setting):
    own = objective()
    weights = own.weights(setting.examples)

    def gradient(masked):
        examples = setting.examples._replace(masked=masked)
        return jax.grad(lambda p: own.loss(p, examples, weights, None)[0])(setting.params)

    masked = setting.examples.masked
    assert (masked.weights == 0).any()
    elsewhere = masked._replace(
        labels=jnp.where(masked.weights == 0, 17, masked.labels),
        positions=jnp.where(masked.weights == 0, 2, masked.positions),
    )
    jax.tree.map(np.testing.assert_array_equal, gradient(masked), gradient(elsewhere))
    moved = masked._replace(labels=jnp.where(masked.weights == 1, 17, masked.labels))
    assert not np.array_equal(gradient(masked)["words"], gradient(moved)["words"])


def test_masks_are_drawn_by_key_and_all_else_is_the_batch(setting):
    drawn, batch = setting.examples, setting.batch
    np.testing.assert_array_equal(drawn.token_type_ids, batch.token_type_ids)
    np.testing.assert_array_equal(drawn.attention_mask, batch.attention_mask)
    np.testing.assert_array_equal(drawn.next_sentence_label, batch.next_sentence_label)
    other = objective().examples(batch, jax.random.key(1))
    assert not np.array_equal(drawn.masked.positions, other.masked.positions)


def test_the_key_of_the_loss_reaches_the_model(setting):
    own = objective()
    weights = own.weights(setting.examples)
    losses = [
        float(own.loss(setting.params, setting.examples, weights, key)[0])
        for key in (None, jax.random.key(0), jax.random.key(1))
    ]
    assert len(set(losses)) == 3
