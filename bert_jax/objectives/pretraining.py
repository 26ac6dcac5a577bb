"""Pretraining: masked language model and next sentence prediction together."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from bert_jax.model import Packing
from bert_jax.objectives.language_model import masked_language_model
from bert_jax.objectives.masking import (
    Masked,
    Masking,
    TopK,
    Vocabulary,
    mask_packed_tokens,
    mask_tokens,
)
from bert_jax.objectives.objective import Metrics, Objective
from bert_jax.objectives.sentence_pair import next_sentence

# Google adds this to the number of predictions before dividing by it.
MLM_DENOMINATOR_EPSILON = 1e-5


class PretrainingExamples(NamedTuple):
    """A batch with its masks drawn. Packed rows have K labels each, weighted 0 or 1."""

    masked: Masked
    token_type_ids: Int[Array, "B T"]
    attention_mask: Int[Array, "B T"]
    next_sentence_label: Int[Array, "B *K"]
    next_sentence_weight: Float[Array, "B K"] | None = None
    packing: Packing | None = None


def pretraining_objective(
    apply: Callable[..., Any],
    masking: Masking,
    vocabulary: Vocabulary,
    *,
    with_nsp: bool,
    packed: bool = False,
    top_k: TopK = jax.lax.top_k,
    at_once: int = 0,
) -> Objective:
    """Put the objective of BERT together.

    Args:
        apply: `BertForPretraining(...).apply`, for its `before_scores`.
        masking: how tokens are hidden.
        vocabulary: sizes and ids of the tokenizer.
        with_nsp: whether next sentence prediction is part of the loss.
        packed: whether several sequences share a row of a batch.
        top_k: that of `mask_tokens`.
        at_once: that of `masked_language_model`.
    """

    def examples(batch: Any, key: Key[Array, ""]) -> PretrainingExamples:
        masked = mask_tokens(batch.input_ids, batch.attention_mask, key, masking, vocabulary, top_k)
        return PretrainingExamples(
            masked, batch.token_type_ids, batch.attention_mask, batch.next_sentence_label
        )

    def packed_examples(batch: Any, key: Key[Array, ""]) -> PretrainingExamples:
        packing = Packing(batch.segments, batch.positions, batch.starts)
        return PretrainingExamples(
            mask_packed_tokens(batch.input_ids, packing, key, masking, vocabulary),
            batch.token_type_ids,
            batch.segments,
            batch.next_sentence_label,
            batch.next_sentence_weight,
            packing,
        )

    def weights(examples: PretrainingExamples) -> dict[str, Array]:
        pairs = jnp.asarray(examples.next_sentence_label.shape[0], jnp.float32)
        if examples.next_sentence_weight is not None:
            pairs = jnp.sum(examples.next_sentence_weight)
        return {"mlm_loss": jnp.sum(examples.masked.weights), "nsp_loss": pairs}

    def loss(
        params: Any,
        examples: PretrainingExamples,
        weights: Mapping[str, Array],
        key: Key[Array, ""] | None,
    ) -> tuple[Float[Array, ""], Metrics]:
        masked = examples.masked
        unscored, follows = apply(
            {"params": params},
            masked.input_ids,
            examples.token_type_ids,
            examples.attention_mask,
            masked.positions,
            key,
            examples.packing,
            method="before_scores",
        )
        shown = jnp.take_along_axis(masked.input_ids, masked.positions, axis=1)
        total, metrics = masked_language_model(
            unscored,
            masked.labels,
            masked.weights,
            (shown == vocabulary.mask_id).astype(jnp.float32),
            weights["mlm_loss"] + MLM_DENOMINATOR_EPSILON,
            at_once,
        )
        if with_nsp:
            weight = examples.next_sentence_weight
            metrics |= next_sentence(
                follows,
                examples.next_sentence_label.reshape(-1),
                None if weight is None else weight.reshape(-1),
            )
            total += metrics["nsp_loss"].numerator / weights["nsp_loss"]
        return total, metrics

    return Objective(packed_examples if packed else examples, weights, loss)
