"""Fine-tuning: the loss of each kind of head, and the objective they share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from bert_jax.model import TagScores
from bert_jax.model.crf import gather_words, log_likelihood
from bert_jax.objectives.objective import Metrics, Objective, Ratio

# Of a padding token as the first or last of an answer.
PADDING_SCORE = -1e9


class TaskBatch(NamedTuple):
    """Rows of a task; weight 0 marks a row that only fills the batch."""

    input_ids: Int[Array, "B T"]
    token_type_ids: Int[Array, "B T"]
    attention_mask: Int[Array, "B T"]
    weights: Float[Array, "B"]
    targets: dict[str, Array]


@dataclass(frozen=True)
class TaskLoss:
    """A head's loss.

    Attributes:
        target: name of what scores are judged by; a split without it has no loss.
        count: batch -> the denominator of the loss.
        terms: (scores, batch) -> metrics, "task_loss" among them.
    """

    target: str
    count: Callable[[TaskBatch], Array]
    terms: Callable[[Any, TaskBatch], Metrics]


def finetuning_objective(apply: Callable[..., Any], task_loss: TaskLoss) -> Objective:
    """Put the objective of a task together.

    Args:
        apply: of the model with the task's head.
        task_loss: what its scores are judged by.
    """

    def examples(batch: TaskBatch, key: Key[Array, ""]) -> TaskBatch:
        return batch

    def weights(batch: TaskBatch) -> dict[str, Array]:
        return {"task_loss": task_loss.count(batch)}

    def loss(
        params: Any,
        batch: TaskBatch,
        weights: Mapping[str, Array],
        key: Key[Array, ""] | None,
    ) -> tuple[Float[Array, ""], Metrics]:
        scores = apply(
            {"params": params}, batch.input_ids, batch.token_type_ids, batch.attention_mask, key
        )
        metrics = task_loss.terms(scores, batch)
        return metrics["task_loss"].numerator / jnp.maximum(weights["task_loss"], 1.0), metrics

    return Objective(examples, weights, loss)


def _rows(batch: TaskBatch) -> Float[Array, ""]:
    return jnp.sum(batch.weights)


def _classification(scores: Float[Array, "B C"], batch: TaskBatch) -> Metrics:
    labels = batch.targets["label"]
    hits = (jnp.argmax(scores, axis=-1) == labels).astype(jnp.float32)
    return {
        "task_loss": _mean(_cross_entropy(scores, labels), batch.weights),
        "accuracy": _mean(hits, batch.weights),
    }


def _regression(scores: Float[Array, "B 1"], batch: TaskBatch) -> Metrics:
    return {"task_loss": _mean(jnp.square(scores[:, 0] - batch.targets["value"]), batch.weights)}


def _span(scores: Float[Array, "B T 2"], batch: TaskBatch) -> Metrics:
    span = batch.targets["span"]  # [B, 2]
    by_end = jnp.swapaxes(scores, 1, 2)  # [B, 2, T]
    by_end = jnp.where(batch.attention_mask[:, None, :] != 0, by_end, PADDING_SCORE)
    hits = jnp.all(jnp.argmax(by_end, axis=-1) == span, axis=1).astype(jnp.float32)
    return {
        "task_loss": _mean(jnp.mean(_cross_entropy(by_end, span), axis=1), batch.weights),
        "span_accuracy": _mean(hits, batch.weights),
    }


def _scored(batch: TaskBatch) -> Float[Array, "B T"]:
    return (batch.targets["tags"] >= 0) * batch.weights[:, None]


def _tagging(scores: Float[Array, "B T C"], batch: TaskBatch) -> Metrics:
    scored, tags = _scored(batch), jnp.maximum(batch.targets["tags"], 0)
    hits = (jnp.argmax(scores, axis=-1) == tags).astype(jnp.float32)
    return {
        "task_loss": _mean(_cross_entropy(scores, tags), scored),
        "accuracy": _mean(hits, scored),
    }


def _tag_chain(scores: TagScores, batch: TaskBatch) -> Metrics:
    starts = batch.targets["word_starts"]  # [B, W]
    emissions = gather_words(scores.emissions, starts)
    tags = jnp.maximum(gather_words(batch.targets["tags"], starts), 0)
    likelihoods = log_likelihood(scores.chain, emissions, tags, starts > 0)
    return {"task_loss": _mean(-likelihoods, batch.weights)}


def _mean(values: Float[Array, "..."], weights: Float[Array, "..."]) -> Ratio:
    return Ratio(jnp.sum(values * weights), jnp.sum(weights))


def _cross_entropy(scores: Float[Array, "... C"], labels: Int[Array, "..."]) -> Array:
    picked = jnp.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(scores, axis=-1) - picked


# By the kind of head. A tag below zero is not scored.
TASK_LOSSES = {
    "classification": TaskLoss("label", _rows, _classification),
    "regression": TaskLoss("value", _rows, _regression),
    "span": TaskLoss("span", _rows, _span),
    "crf": TaskLoss("tags", _rows, _tag_chain),
    "tagging": TaskLoss("tags", lambda batch: jnp.sum(_scored(batch)), _tagging),
}
