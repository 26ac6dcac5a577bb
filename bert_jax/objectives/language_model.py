"""The loss of the masked language model."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bert_jax.objectives.objective import Metrics, Ratio


def masked_language_model(
    logits: Float[Array, "B P V"],
    labels: Int[Array, "B P"],
    weights: Float[Array, "B P"],
    hidden: Float[Array, "B P"],
) -> Metrics:
    """Sum negative log-likelihood (nats) and hits over the predictions that count.

    Args:
        logits: scores of the vocabulary.
        labels: what stood there.
        weights: 0 for an unused prediction, else 1.
        hidden: 1 where [MASK] is shown. The other predictions can be copied from the input, so
            their hits say little; `mlm_hidden_accuracy` leaves them out.
    """
    losses, hits = _cross_entropy(logits, labels)
    total = jnp.sum(weights)
    return {
        "mlm_loss": Ratio(jnp.sum(losses * weights), total),
        "mlm_accuracy": Ratio(jnp.sum(hits * weights), total),
        "mlm_hidden_accuracy": Ratio(jnp.sum(hits * weights * hidden), jnp.sum(weights * hidden)),
    }


@jax.custom_vjp
def _cross_entropy(
    logits: Float[Array, "B P V"], labels: Int[Array, "B P"]
) -> tuple[Float[Array, "B P"], Float[Array, "B P"]]:
    """Return the loss of each prediction, and 1 where the label has the highest score."""
    return _cross_entropy_forward(logits, labels)[0]


def _cross_entropy_forward(logits: Array, labels: Array):  # type: ignore[no-untyped-def]
    # The exponentials are the dearest part and are kept for the backward pass in place of the
    # logits; the label's own entry of the gradient is the only one that needs more.
    highest = jnp.max(logits, axis=-1)
    exponentials = jnp.exp(logits - highest[..., None])
    total = jnp.sum(exponentials, axis=-1)
    picked = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    losses = jnp.log(total) + highest - picked
    hits = (picked >= highest).astype(logits.dtype)
    return (losses, hits), (exponentials, total, labels)


def _cross_entropy_backward(saved, cotangents):  # type: ignore[no-untyped-def]
    exponentials, total, labels = saved
    cotangent, _ = cotangents
    is_label = labels[..., None] == jnp.arange(exponentials.shape[-1])
    gradient = exponentials * (cotangent / total)[..., None]
    return gradient - jnp.where(is_label, cotangent[..., None], 0.0), None


_cross_entropy.defvjp(_cross_entropy_forward, _cross_entropy_backward)
