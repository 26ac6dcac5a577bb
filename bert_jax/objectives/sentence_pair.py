"""The loss of next sentence prediction."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bert_jax.objectives.objective import Metrics, Ratio


def next_sentence(
    logits: Float[Array, "R 2"],
    labels: Int[Array, "R"],
    weights: Float[Array, "R"] | None = None,
) -> Metrics:
    """Sum negative log-likelihood (nats) and hits over pairs.

    Args:
        logits: scores of the two labels.
        labels: 0 says that B follows A.
        weights: 0 where there is no pair, else 1; by default there is one everywhere.
    """
    log_probabilities = jax.nn.log_softmax(logits, axis=-1)
    losses = -jnp.take_along_axis(log_probabilities, labels[:, None], axis=-1)[:, 0]
    hits = jnp.argmax(logits, axis=-1) == labels
    if weights is None:
        total = jnp.asarray(labels.shape[0], jnp.float32)
    else:
        losses, hits, total = losses * weights, hits & (weights > 0), jnp.sum(weights)
    return {
        "nsp_loss": Ratio(jnp.sum(losses), total),
        "nsp_accuracy": Ratio(jnp.sum(hits.astype(jnp.float32)), total),
    }
