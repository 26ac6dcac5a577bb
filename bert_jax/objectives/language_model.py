"""The loss of the masked language model."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bert_jax.objectives.objective import Metrics, Ratio


def masked_language_model(
    logits: Float[Array, "B P V"], labels: Int[Array, "B P"], weights: Float[Array, "B P"]
) -> Metrics:
    """Sum negative log-likelihood (nats) and hits over the predictions that count."""
    picked = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    losses = jax.nn.logsumexp(logits, axis=-1) - picked
    hits = jnp.argmax(logits, axis=-1) == labels
    total = jnp.sum(weights)
    return {
        "mlm_loss": Ratio(jnp.sum(losses * weights), total),
        "mlm_accuracy": Ratio(jnp.sum(hits * weights), total),
    }
