"""Masked-language-model examples, drawn inside the compiled step (Devlin et al. 2018, 3.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key
from numpy.typing import NDArray

from bert_jax.model import Packing

# [CLS], one token, [SEP]: no sequence is shorter.
SHORTEST_SEQUENCE = 3


@dataclass(frozen=True)
class Masking:
    """How many tokens are predicted and what stands in their place.

    Attributes:
        rate: share of a sequence's tokens, [CLS] and [SEP] counted in, that is predicted.
        max_predictions: of a sequence at most; fewer on short ones.
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


# (scores, how many) -> the highest of each row, and where they stand.
TopK = Callable[[Array, int], Sequence[Array]]


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
    top_k: TopK = jax.lax.top_k,
) -> Masked:
    """Choose positions evenly among the maskable ones and replace what stands there.

    A row of n tokens gets min(max_predictions, max(1, round(n x rate))) predictions, as in
    Google's `create_pretraining_data.py`, and never more than it has maskable tokens.

    Args:
        input_ids: of whole rows.
        attention_mask: 0 for padding.
        key: decides what is chosen, and what is done with it.
        masking: how many, and what may be done.
        vocabulary: of the ids.
        top_k: `jax.lax.top_k`, or the same for rows on several devices, which XLA would gather.
    """
    choose_key, action_key, token_key = jax.random.split(key, 3)
    length = input_ids.shape[1]
    special = _special(input_ids, vocabulary)
    maskable = (attention_mask != 0) & ~special
    scores = jnp.where(maskable, jax.random.uniform(choose_key, input_ids.shape), -1.0)
    slots = min(masking.max_predictions, length)
    _, positions = top_k(scores, slots)  # [B, P]

    wanted = prediction_counts(length, masking)[jnp.sum(attention_mask != 0, axis=1)]
    count = jnp.minimum(wanted, jnp.sum(maskable, axis=1))
    used = jnp.arange(slots)[None, :] < count[:, None]
    return _hide(input_ids, positions, used, (action_key, token_key), masking, vocabulary)


def mask_packed_tokens(
    input_ids: Int[Array, "B T"],
    packing: Packing,
    key: Key[Array, ""],
    masking: Masking,
    vocabulary: Vocabulary,
) -> Masked:
    """Do as `mask_tokens` does in each of the sequences that share a row.

    Each gets the predictions it would have in a row of its own; a row has slots for all of them.
    """
    choose_key, action_key, token_key = jax.random.split(key, 3)
    length, sequences = input_ids.shape[1], packing.starts.shape[1]
    maskable = (packing.segments != 0) & ~_special(input_ids, vocabulary)
    own = packing.segments[:, None, :] == jnp.arange(1, sequences + 1)[:, None]  # [B, K, T]
    tokens, available = jnp.sum(own, axis=2), jnp.sum(own & maskable[:, None, :], axis=2)
    wanted = prediction_counts(length, masking)[tokens]
    count = jnp.minimum(wanted, available)  # [B, K]; 0 where there is no sequence

    # Places in the order of their sequence and, within it, of a random score; then the first ones
    # of each sequence.
    belongs = jnp.where(maskable, packing.segments, sequences + 1)
    scores = jax.random.uniform(choose_key, input_ids.shape)
    places = jnp.broadcast_to(jnp.arange(length), input_ids.shape)
    _, _, places = jax.lax.sort((belongs, scores, places), dimension=1, num_keys=2)
    slot = jnp.arange(packed_slots(length, sequences, masking))
    ends = jnp.cumsum(count, axis=1)
    sequence = jnp.sum(slot[None, :, None] >= ends[:, None, :], axis=2)  # [B, P]; K past the last
    used = sequence < sequences
    skipped = jnp.cumsum(available - count, axis=1) - (available - count)
    ranked = slot + jnp.take_along_axis(skipped, jnp.minimum(sequence, sequences - 1), axis=1)
    positions = jnp.take_along_axis(places, jnp.where(used, ranked, 0), axis=1)
    return _hide(input_ids, positions, used, (action_key, token_key), masking, vocabulary)


def packed_slots(length: int, sequences: int, masking: Masking) -> int:
    """Bound the predictions of any row of `length` tokens that so many sequences share at most."""
    tokens = np.arange(SHORTEST_SEQUENCE, max(length, SHORTEST_SEQUENCE) + 1)
    counts = _counts(int(tokens[-1]), masking)[tokens]
    rounded_up = max(0.0, float(np.max(counts - masking.rate * tokens)))
    bound = int(masking.rate * length + rounded_up * sequences + 1e-9)
    return min(bound, masking.max_predictions * sequences, length)


def _special(input_ids: Int[Array, "B T"], vocabulary: Vocabulary) -> Bool[Array, "B T"]:
    return jnp.isin(input_ids, jnp.asarray(vocabulary.unmaskable_ids, input_ids.dtype))


def _hide(
    input_ids: Int[Array, "B T"],
    positions: Int[Array, "B P"],
    used: Bool[Array, "B P"],
    keys: tuple[Key[Array, ""], Key[Array, ""]],
    masking: Masking,
    vocabulary: Vocabulary,
) -> Masked:
    """Replace what stands at the chosen positions; `keys` draw what is done, and the tokens."""
    action_key, token_key = keys
    rows, length = input_ids.shape
    slots = positions.shape[1]
    positions = jnp.where(used, positions, 0)
    labels = jnp.take_along_axis(input_ids, positions, axis=1)

    action = jax.random.uniform(action_key, (rows, slots))
    drawn = jax.random.randint(token_key, (rows, slots), 0, vocabulary.size, input_ids.dtype)
    shown = jnp.where(action < masking.mask_share, vocabulary.mask_id, labels)
    shown = jnp.where(action >= 1 - masking.random_share, drawn, shown)
    # An unused slot writes past the end of its row, where the write is dropped.
    target = jnp.where(used, positions, length)
    hidden = jax.vmap(lambda row, at, new: row.at[at].set(new, mode="drop"))(
        input_ids, target, shown.astype(input_ids.dtype)
    )
    labels = jnp.where(used, labels, 0)
    return Masked(hidden, positions, labels, used.astype(jnp.float32))


def prediction_counts(length: int, masking: Masking) -> Int[Array, "{length}+1"]:
    """Tabulate the number of predictions for rows of 0 to `length` tokens.

    A table made in Python, since float32 on a device would round some products the other way.
    """
    return jnp.asarray(_counts(length, masking))


def _counts(length: int, masking: Masking) -> NDArray[np.int32]:
    counts = [
        min(masking.max_predictions, max(1, round(tokens * masking.rate)))
        for tokens in range(length + 1)
    ]
    return np.array(counts, np.int32)
