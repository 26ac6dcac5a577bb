"""The loss of next sentence prediction."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bert_jax.objectives.objective import Metrics, Ratio


def next_sentence(logits: Float[Array, "B 2"], labels: Int[Array, "B"]) -> Metrics:
    """Sum negative log-likelihood (nats) and hits over rows; label 0 says that B follows A."""
    log_probabilities = jax.nn.log_softmax(logits, axis=-1)
    losses = -jnp.take_along_axis(log_probabilities, labels[:, None], axis=-1)[:, 0]
    hits = jnp.argmax(logits, axis=-1) == labels
    total = jnp.asarray(labels.shape[0], jnp.float32)
    return {
        "nsp_loss": Ratio(jnp.sum(losses), total),
        "nsp_accuracy": Ratio(jnp.sum(hits.astype(jnp.float32)), total),
    }
