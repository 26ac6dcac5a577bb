import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.model import Execution, Unscored
from bert_jax.objectives import language_model
from bert_jax.objectives.sentence_pair import next_sentence

LOGITS = jax.random.normal(jax.random.key(0), (3, 4, 11)) * 4
LABELS = jax.random.randint(jax.random.key(1), (3, 4), 0, 11)
WEIGHTS = jnp.asarray([[1.0, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]])
HIDDEN = jnp.asarray([[1.0, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]])


def masked_language_model(logits, labels, weights, hidden, at_once=0):
    """Let the hidden states be the scores."""
    unscored = Unscored(logits, jnp.eye(logits.shape[-1]), jnp.zeros(logits.shape[-1]), Execution())
    return language_model.masked_language_model(unscored, labels, weights, hidden, 1.0, at_once)[1]


def log_softmax(logits):
    logits = np.asarray(logits, np.float64)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def plain_loss(logits, labels):
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1)
    return -picked[..., 0]


def mlm_loss(logits, labels=LABELS, weights=WEIGHTS):
    unscored = Unscored(logits, jnp.eye(logits.shape[-1]), jnp.zeros(logits.shape[-1]), Execution())
    return language_model.masked_language_model(unscored, labels, weights, weights, 1.0)[0]


def test_the_language_models_loss_and_accuracy_are_sums_over_what_counts():
    metrics = masked_language_model(LOGITS, LABELS, WEIGHTS, WEIGHTS)
    losses = -np.take_along_axis(log_softmax(LOGITS), np.asarray(LABELS)[..., None], -1)[..., 0]
    hits = np.argmax(LOGITS, -1) == LABELS
    np.testing.assert_allclose(metrics["mlm_loss"].numerator, (losses * WEIGHTS).sum(), rtol=1e-6)
    assert metrics["mlm_accuracy"].numerator == (hits * WEIGHTS).sum()
    assert metrics["mlm_loss"].denominator == metrics["mlm_accuracy"].denominator == 6


def test_a_prediction_is_a_hit_where_the_label_has_the_highest_score():
    labels = jnp.argmax(LOGITS, -1)
    assert masked_language_model(LOGITS, labels, WEIGHTS, HIDDEN)["mlm_accuracy"].numerator == 6
    wrong = (labels + 1) % 11
    assert masked_language_model(LOGITS, wrong, WEIGHTS, HIDDEN)["mlm_accuracy"].numerator == 0


def test_the_accuracy_where_the_mask_is_shown_leaves_the_others_out():
    labels = jnp.argmax(LOGITS, -1)
    labels = labels.at[:, 2].set((labels[:, 2] + 1) % 11)
    found = masked_language_model(LOGITS, labels, WEIGHTS, HIDDEN)["mlm_hidden_accuracy"]
    assert (found.numerator, found.denominator) == (3, 4)


def test_the_gradient_is_that_of_the_plain_expression():
    found = jax.grad(mlm_loss)(LOGITS)
    expected = jax.grad(lambda x: (plain_loss(x, LABELS) * WEIGHTS).sum())(LOGITS)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_gradient_of_a_prediction_is_scaled_by_its_weight():
    weights = jnp.asarray([[0.5, 2, 1, 0]] * 3)
    found = jax.grad(lambda x: mlm_loss(x, weights=weights))(LOGITS)
    expected = jax.grad(lambda x: (plain_loss(x, LABELS) * weights).sum())(LOGITS)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_weight_zero_gives_no_loss_and_no_gradient():
    gradient = np.asarray(jax.grad(mlm_loss)(LOGITS))
    unused = np.asarray(WEIGHTS) == 0
    assert not gradient[unused].any()
    assert gradient[~unused].any(-1).all()
    other = jnp.where(WEIGHTS[..., None] == 0, 100.0 * LOGITS, LOGITS)
    assert mlm_loss(other) == mlm_loss(LOGITS)
    assert mlm_loss(LOGITS, jnp.where(WEIGHTS == 0, 0, LABELS)) == mlm_loss(LOGITS)


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_large_scores_neither_overflow_nor_vanish(shift):
    loss, gradient = jax.value_and_grad(mlm_loss)(LOGITS + shift)
    np.testing.assert_allclose(loss, mlm_loss(LOGITS), rtol=2e-3)  # the shift rounds the scores
    assert np.isfinite(gradient).all()
    certain = jnp.zeros((1, 1, 3)).at[0, 0, 1].set(1e4)
    assert mlm_loss(certain, jnp.asarray([[1]]), jnp.ones((1, 1))) == 0
    assert mlm_loss(certain, jnp.asarray([[0]]), jnp.ones((1, 1))) == 1e4


@pytest.mark.parametrize(("at_once", "parts"), [(12, 1), (11, 3), (4, 3), (1, 3), (0, 1)])
def test_the_vocabulary_is_scored_in_as_few_parts_as_hold_so_many_predictions(at_once, parts):
    assert language_model._parts(3, 4, at_once) == parts


def test_parts_come_to_the_sums_and_gradients_of_the_whole():
    hidden = jax.random.normal(jax.random.key(2), (6, 2, 5))
    table, bias = (jax.random.normal(jax.random.key(i), s) for i, s in ((3, (11, 5)), (4, (11,))))
    labels, weights, shown = (x.reshape(6, 2) for x in (LABELS, WEIGHTS, HIDDEN))

    def loss(inputs, at_once):
        unscored = Unscored(*inputs, Execution())
        total, found = language_model.masked_language_model(
            unscored, labels, weights, shown, 0.5, at_once
        )
        return 1.5 * total, found

    def plain(inputs):
        hidden, table, bias = inputs
        return 3 * jnp.sum(plain_loss(hidden @ table.T + bias, labels) * weights)

    inputs = (hidden, table, bias)
    gradients, whole = jax.grad(loss, has_aux=True)(inputs, 0)
    in_parts, metrics = jax.grad(loss, has_aux=True)(inputs, 5)  # two rows at a time
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, in_parts, gradients)
    jax.tree.map(close, metrics, whole)
    jax.tree.map(close, loss(inputs, 5)[1], whole)  # as in evaluation, undifferentiated
    jax.tree.map(close, gradients, jax.grad(plain)(inputs))


def test_next_sentence_is_a_sum_over_rows():
    logits, labels = LOGITS[0, :, :2], jnp.asarray([0, 1, 1, 0])
    metrics = next_sentence(logits, labels)
    losses = -log_softmax(logits)[np.arange(4), labels]
    np.testing.assert_allclose(metrics["nsp_loss"].numerator, losses.sum(), rtol=1e-6)
    assert metrics["nsp_accuracy"].numerator == (np.argmax(logits, -1) == labels).sum()
    assert metrics["nsp_loss"].denominator == metrics["nsp_accuracy"].denominator == 4


def test_label_zero_says_that_b_follows_a():
    follows = jnp.asarray([[5.0, -5.0]])
    assert next_sentence(follows, jnp.asarray([0]))["nsp_accuracy"].numerator == 1
    assert next_sentence(follows, jnp.asarray([1]))["nsp_accuracy"].numerator == 0
