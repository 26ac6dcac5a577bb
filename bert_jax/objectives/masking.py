"""Masked-language-model examples, drawn inside the compiled step (Devlin et al. 2018, 3.1)."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key


@dataclass(frozen=True)
class Masking:
    """How many tokens are predicted and what stands in their place.

    Attributes:
        rate: share of a row's tokens, [CLS] and [SEP] counted in, that is predicted.
        max_predictions: static number of predictions a row; fewer are used on short rows.
        mask_share: share of the predicted tokens that become [MASK].
        random_share: share that becomes a token drawn evenly from the vocabulary; the rest stays.

    Raises:
        ValueError: a share is out of range or no prediction is allowed.
    """

    rate: float
    max_predictions: int
    mask_share: float
    random_share: float

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise ValueError(f"rate={self.rate} must be between 0 and 1")
        if self.max_predictions < 1:
            raise ValueError(f"max_predictions={self.max_predictions} must be at least 1")
        if min(self.mask_share, self.random_share) < 0 or self.mask_share + self.random_share > 1:
            raise ValueError(
                f"mask_share={self.mask_share} and random_share={self.random_share} "
                "must not be negative and not exceed 1 together"
            )


@dataclass(frozen=True)
class Vocabulary:
    """What masking has to know of a tokenizer: size, [MASK], and the tokens never predicted."""

    size: int
    mask_id: int
    unmaskable_ids: tuple[int, ...]


class Masked(NamedTuple):
    """Rows with tokens hidden, and what stood there. Weight 0 marks an unused prediction."""

    input_ids: Int[Array, "B T"]
    positions: Int[Array, "B P"]
    labels: Int[Array, "B P"]
    weights: Float[Array, "B P"]


def mask_tokens(
    input_ids: Int[Array, "B T"],
    attention_mask: Int[Array, "B T"],
    key: Key[Array, ""],
    masking: Masking,
    vocabulary: Vocabulary,
) -> Masked:
    """Choose positions evenly among the maskable ones and replace what stands there.

    A row of n tokens gets min(max_predictions, max(1, round(n x rate))) predictions, as in
    Google's `create_pretraining_data.py`, and never more than it has maskable tokens.
    """
    choose_key, action_key, token_key = jax.random.split(key, 3)
    rows, length = input_ids.shape
    special = jnp.isin(input_ids, jnp.asarray(vocabulary.unmaskable_ids, input_ids.dtype))
    maskable = (attention_mask != 0) & ~special
    scores = jnp.where(maskable, jax.random.uniform(choose_key, input_ids.shape), -1.0)
    slots = min(masking.max_predictions, length)
    _, positions = jax.lax.top_k(scores, slots)  # [B, P]

    wanted = prediction_counts(length, masking)[jnp.sum(attention_mask != 0, axis=1)]
    count = jnp.minimum(wanted, jnp.sum(maskable, axis=1))
    used = jnp.arange(slots)[None, :] < count[:, None]
    positions = jnp.where(used, positions, 0)
    labels = jnp.take_along_axis(input_ids, positions, axis=1)

    action = jax.random.uniform(action_key, (rows, slots))
    drawn = jax.random.randint(token_key, (rows, slots), 0, vocabulary.size, input_ids.dtype)
    shown = jnp.where(action < masking.mask_share, vocabulary.mask_id, labels)
    shown = jnp.where(action >= 1 - masking.random_share, drawn, shown)
    # An unused slot writes past the end of its row, where the write is dropped.
    target = jnp.where(used, positions, length)
    hidden = input_ids.at[jnp.arange(rows)[:, None], target].set(
        shown.astype(input_ids.dtype), mode="drop"
    )
    labels = jnp.where(used, labels, 0)
    return Masked(hidden, positions, labels, used.astype(jnp.float32))


def prediction_counts(length: int, masking: Masking) -> Int[Array, "{length}+1"]:
    """Tabulate the number of predictions for rows of 0 to `length` tokens.

    A table made in Python, since float32 on a device would round some products the other way.
    """
    counts = [
        min(masking.max_predictions, max(1, round(tokens * masking.rate)))
        for tokens in range(length + 1)
    ]
    return jnp.asarray(np.array(counts, np.int32))
