"""Losses of the heads, and the objective they share, against NumPy in float64."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.model import TagScores
from bert_jax.model.crf import Chain
from bert_jax.objectives.finetuning import TASK_LOSSES, TaskBatch, finetuning_objective

ROWS, TOKENS, CLASSES, VOCABULARY = 8, 6, 3, 20
LENGTHS = np.array([6, 3, 4, 6, 5, 3, 6, 4])
REAL = np.arange(TOKENS) < LENGTHS[:, None]
WEIGHTS = np.array([1, 1, 1, 1, 1, 1, 1, 0], np.float32)  # the last row only fills the batch
# A word begins at 1 in every row, and at 3 where the row is long enough: two words, or one.
STARTS = np.array([[1, 3] if length > 4 else [1, 0] for length in LENGTHS])
HEADS = sorted(TASK_LOSSES)


def draw(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape) * 3


def make_batch():
    rng = np.random.default_rng(1)
    tags = np.full((ROWS, TOKENS), -100)
    for row, starts in enumerate(STARTS):
        for start in starts[starts > 0]:
            tags[row, start] = rng.integers(CLASSES)
    firsts = rng.integers(0, LENGTHS)
    targets = {
        "label": rng.integers(0, CLASSES, ROWS),
        "value": rng.normal(size=ROWS),
        "span": np.stack([firsts, rng.integers(firsts, LENGTHS)], axis=1),
        "tags": tags,
        "word_starts": np.pad(STARTS, ((0, 0), (0, TOKENS - 2))),
    }
    targets = {
        name: jnp.asarray(values, jnp.float32 if name == "value" else jnp.int32)
        for name, values in targets.items()
    }
    ids = jnp.asarray(rng.integers(0, VOCABULARY, (ROWS, TOKENS)), jnp.int32)
    mask = jnp.asarray(REAL, jnp.int32)
    return TaskBatch(ids, jnp.zeros_like(ids), mask, jnp.asarray(WEIGHTS), targets)


BATCH = make_batch()
TARGETS = {name: np.asarray(values) for name, values in BATCH.targets.items()}


def terms(head, scores, batch=BATCH):
    scores = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), scores)
    return jax.device_get(TASK_LOSSES[head].terms(scores, batch))


def surprise(scores, index):
    """The negative logarithm of one entry's softmax."""
    return np.log(np.exp(scores).sum()) - scores[index]


def check(ratio, values):
    """A ratio is the sum of these values over their number."""
    np.testing.assert_allclose(ratio.numerator, np.sum(values), rtol=2e-6)
    assert ratio.denominator == len(values)


def test_classification_is_the_cross_entropy_of_rows_that_count():
    scores = draw(ROWS, CLASSES)
    found, labels = terms("classification", scores), TARGETS["label"][:7]
    check(found["task_loss"], [surprise(scores[i], label) for i, label in enumerate(labels)])
    check(found["accuracy"], scores[:7].argmax(axis=1) == labels)


def test_regression_is_the_squared_error_of_rows_that_count():
    scores = draw(ROWS, 1)
    found = terms("regression", scores)
    check(found["task_loss"], (scores[:7, 0] - TARGETS["value"][:7]) ** 2)


def test_a_span_is_judged_among_real_tokens_by_the_mean_of_its_two_ends():
    scores, spans = draw(ROWS, TOKENS, 2), TARGETS["span"]
    scores[[0, 0, 1], [*spans[0], spans[1, 0]], [0, 1, 0]] = 20.0
    scores[1, spans[1, 1], 1] = -20.0  # only one end of the second row's is found
    scores[~REAL] = 50.0
    found, losses, hits = terms("span", scores), [], []
    for row in range(7):
        real = scores[row, : LENGTHS[row]]
        losses.append(np.mean([surprise(real[:, end], spans[row, end]) for end in (0, 1)]))
        hits.append((real.argmax(axis=0) == spans[row]).all())
    check(found["task_loss"], losses)
    check(found["span_accuracy"], hits)
    assert hits[0] and not hits[1]


def test_tags_are_judged_where_a_word_begins_in_rows_that_count():
    scores, tags = draw(ROWS, TOKENS, CLASSES), TARGETS["tags"]
    scored = [(row, token) for row in range(7) for token in range(TOKENS) if tags[row, token] >= 0]
    assert 7 < len(scored) < 14 and tags[7].max() >= 0  # the filling row's do not count
    found = terms("tagging", scores)
    check(found["task_loss"], [surprise(scores[place], tags[place]) for place in scored])
    check(found["accuracy"], [scores[place].argmax() == tags[place] for place in scored])
    assert TASK_LOSSES["tagging"].count(BATCH) == len(scored)


def test_a_chain_of_tags_is_judged_by_its_share_of_all_paths():
    emissions = draw(ROWS, TOKENS, CLASSES)
    chain = Chain(draw(CLASSES), draw(CLASSES, CLASSES), draw(CLASSES + 1)[:CLASSES])
    losses = []
    for row in range(7):
        starts = STARTS[row][STARTS[row] > 0]
        words, tags = emissions[row, starts], TARGETS["tags"][row, starts]
        totals = {
            path: chain.start[path[0]]
            + chain.end[path[-1]]
            + sum(words[i, tag] for i, tag in enumerate(path))
            + sum(chain.transitions[pair] for pair in itertools.pairwise(path))
            for path in itertools.product(range(CLASSES), repeat=len(words))
        }
        losses.append(np.log(sum(np.exp(list(totals.values())))) - totals[tuple(tags)])
    check(terms("crf", TagScores(emissions, chain))["task_loss"], losses)
    assert TASK_LOSSES["crf"].count(BATCH) == 7


SHAPES = {
    "classification": (CLASSES,),
    "regression": (1,),
    "span": (2,),
    "tagging": (CLASSES,),
    "crf": (CLASSES,),
}


def apply(variables, input_ids, token_type_ids, attention_mask, key=None):
    """A model whose score of a token, or of a row of them, is looked up."""
    params = variables["params"]
    scores = params["table"][input_ids]
    if "chain" in params:
        return TagScores(scores, params["chain"])
    return scores.mean(axis=1) if "of_rows" in params else scores


def make_params(head):
    params = {"table": jnp.asarray(draw(VOCABULARY, *SHAPES[head]), jnp.float32)}
    if head == "crf":
        shapes = ((CLASSES,), (CLASSES, CLASSES), (CLASSES,))
        params["chain"] = Chain(*(jnp.asarray(draw(*s), jnp.float32) for s in shapes))
    if head in ("classification", "regression"):
        params["of_rows"] = jnp.zeros(())
    return params


@functools.cache
def gradient_of(head):
    objective = finetuning_objective(apply, TASK_LOSSES[head])
    return jax.jit(jax.grad(objective.loss, has_aux=True), static_argnums=3)


def gradient(head, batch, weights):
    return gradient_of(head)(make_params(head), batch, weights, None)


def weights_of(head):
    return finetuning_objective(apply, TASK_LOSSES[head]).weights(BATCH)


@pytest.mark.parametrize("head", HEADS)
def test_losses_and_gradients_of_parts_add_up_to_the_whole(head):
    whole = gradient(head, BATCH, weights_of(head))
    parts = [
        gradient(head, jax.tree.map(lambda x, i=i: x[i::4], BATCH), weights_of(head))
        for i in range(4)
    ]
    added = jax.tree.map(lambda *leaves: sum(leaves), *parts)
    for one, other in zip(jax.tree.leaves(added), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_the_loss_is_the_mean_over_what_is_scored(head):
    objective = finetuning_objective(apply, TASK_LOSSES[head])
    loss, metrics = objective.loss(make_params(head), BATCH, weights_of(head), None)
    ratio = metrics["task_loss"]
    np.testing.assert_allclose(loss, ratio.numerator / ratio.denominator, rtol=1e-6)
    assert ratio.denominator == weights_of(head)["task_loss"] > 1


@pytest.mark.parametrize("head", HEADS)
def test_what_does_not_count_has_no_gradient(head):
    """Token 0 stands in the row of weight 0 alone; token 1, for spans and tags, in padding."""
    ids = (2 + BATCH.input_ids % (VOCABULARY - 2)).at[7].set(0)
    if head in ("span", "tagging", "crf"):
        ids = jnp.where(jnp.asarray(REAL), ids, 1)
    found, _ = gradient(head, BATCH._replace(input_ids=ids), weights_of(head))
    moved = np.abs(np.asarray(found["table"])).max(axis=1)
    assert not moved[:2].any() and moved.max() > 1e-3


def test_a_batch_without_anything_to_score_has_no_loss():
    nothing = BATCH._replace(targets=BATCH.targets | {"tags": jnp.full((ROWS, TOKENS), -100)})
    objective = finetuning_objective(apply, TASK_LOSSES["tagging"])
    loss, _ = objective.loss(make_params("tagging"), nothing, objective.weights(nothing), None)
    assert loss == 0
