"""The loss of the masked language model, and its gradient in the same pass over the scores."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from bert_jax.model import Execution, Unscored
from bert_jax.model.precision import product
from bert_jax.objectives.objective import Metrics, Ratio
from bert_jax.objectives.parts import sum_over_parts


class _Sums(NamedTuple):
    """Over the predictions that count: the loss, which alone has a gradient, and what is told."""

    loss: Float[Array, ""]
    nats: Float[Array, ""]
    hits: Float[Array, ""]
    hidden_hits: Float[Array, ""]


class _Predicted(NamedTuple):
    """What is to be predicted, and how much each prediction counts, also in the loss."""

    labels: Int[Array, "B P"]
    shares: Float[Array, "B P"]
    weights: Float[Array, "B P"]
    hidden_weights: Float[Array, "B P"]


def masked_language_model(
    unscored: Unscored,
    labels: Int[Array, "B P"],
    weights: Float[Array, "B P"],
    hidden: Float[Array, "B P"],
    denominator: ArrayLike,
    at_once: int = 0,
) -> tuple[Float[Array, ""], Metrics]:
    """Sum negative log-likelihood (nats) and hits over the predictions that count.

    Args:
        unscored: what scores the vocabulary.
        labels: what stood there.
        weights: 0 for an unused prediction, else 1.
        hidden: 1 where [MASK] is shown. The other predictions can be copied from the input, so
            their hits say little; `mlm_hidden_accuracy` leaves them out.
        denominator: of the loss.
        at_once: predictions scored together at most, but for those of one row; 0: all. No more
            scores than that are ever in memory.

    Returns:
        The loss, the first sum over the denominator, and metrics, which have no gradient. Who adds
        the loss to others and does no more with it takes the gradient as it is made here, so that
        devices can add it to that of the embeddings before they send it.
    """
    predicted = _Predicted(labels, weights / denominator, weights, weights * hidden)
    rows, predictions = labels.shape
    parts = _parts(rows, predictions, at_once)
    sums: _Sums = _sums(  # type: ignore[call-arg]
        parts, unscored.execution, unscored.hidden, unscored.table, unscored.bias, predicted
    )
    total = jnp.sum(weights)
    return sums.loss, {
        "mlm_loss": Ratio(sums.nats, total),
        "mlm_accuracy": Ratio(sums.hits, total),
        "mlm_hidden_accuracy": Ratio(sums.hidden_hits, jnp.sum(predicted.hidden_weights)),
    }


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _sums(
    parts: int,
    execution: Execution,
    hidden: Float[Array, "B P D"],
    table: Float[Array, "V D"],
    bias: Float[Array, "V"],
    predicted: _Predicted,
) -> _Sums:
    def compute(rows: tuple[Array, _Predicted], _: Array) -> tuple[_Sums, None]:
        hidden, predicted = rows
        return _softmax(Unscored(hidden, table, bias, execution), predicted)[0], None

    return sum_over_parts(compute, (hidden, predicted), parts)[0]


def _forward(
    parts: int,
    execution: Execution,
    hidden: Array,
    table: Array,
    bias: Array,
    predicted: _Predicted,
) -> tuple[_Sums, tuple[Array, Array, Array]]:
    turned = parts > 1

    def compute(rows: tuple[Array, _Predicted], _: Array) -> tuple[Any, Array]:
        hidden, predicted = rows
        unscored = Unscored(hidden, table, bias, execution)
        sums, (of_hidden, *of_vocabulary) = _with_gradients(unscored, predicted, turned)
        return (sums, of_vocabulary), of_hidden

    (sums, (of_table, of_bias)), of_hidden = sum_over_parts(compute, (hidden, predicted), parts)
    return sums, (of_hidden, of_table.T if turned else of_table, of_bias)


def _backward(
    parts: int, execution: Execution, gradients: tuple[Array, Array, Array], cotangents: _Sums
) -> tuple[Array, Array, Array, None]:
    of_hidden, of_table, of_bias = (
        (cotangents.loss * gradient).astype(gradient.dtype) for gradient in gradients
    )
    return of_hidden, of_table, of_bias, None


_sums.defvjp(_forward, _backward)


def _with_gradients(
    unscored: Unscored, predicted: _Predicted, turned: bool
) -> tuple[_Sums, tuple[Array, Array, Array]]:
    """Return the sums, and the gradients of the loss's in hidden states, table and bias.

    With `turned` that of the table is [D, V]. A CPU then transposes hidden states, for [V, D] the
    gradient of the scores: where parts are added up, the sum alone is turned back.
    """

    # Only a sum is differentiated, so its gradient is known as soon as the scores are, and is taken
    # while they are at hand.
    def scores(hidden: Array, table: Array, bias: Array) -> Array:
        return Unscored(hidden, table, bias, unscored.execution).scores()

    _, backward = jax.vjp(scores, unscored.hidden, unscored.table, unscored.bias)
    sums, (exponentials, total) = _softmax(unscored, predicted)
    shares = predicted.shares
    is_label = predicted.labels[..., None] == jnp.arange(exponentials.shape[-1])
    gradient = exponentials * (shares / total)[..., None]
    gradient -= jnp.where(is_label, shares[..., None], 0.0)
    gradient = jax.lax.optimization_barrier(gradient)
    of_hidden, of_table, of_bias = backward(gradient)
    if turned:
        dtype = unscored.execution.compute_dtype
        of_table = product("bpd,bpv->dv", unscored.hidden, gradient, dtype)
    return sums, (of_hidden, of_table, of_bias)


def _softmax(unscored: Unscored, predicted: _Predicted) -> tuple[_Sums, tuple[Array, Array]]:
    """Return the sums, and of the softmax the exponentials [B, P, V] and their sums [B, P]."""
    labels, shares, weights, hidden_weights = predicted
    scores = unscored.scores()
    highest = jnp.max(scores, axis=-1)
    exponentials = jnp.exp(scores - highest[..., None])
    total = jnp.sum(exponentials, axis=-1)
    picked = jnp.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]
    losses = jnp.log(total) + highest - picked
    hits = (picked >= highest).astype(scores.dtype)
    sums = _Sums(
        loss=jnp.sum(losses * shares),
        nats=jnp.sum(losses * weights),
        hits=jnp.sum(hits * weights),
        hidden_hits=jnp.sum(hits * hidden_weights),
    )
    return sums, (exponentials, total)


def _parts(rows: int, predictions: int, at_once: int) -> int:
    """Find the least number of parts that divides the rows and leaves each `at_once` at most."""
    if not at_once:
        return 1
    divisors = (n for n in range(1, rows + 1) if rows % n == 0)
    return next(n for n in divisors if rows // n * predictions <= at_once or n == rows)
