"""Pseudo-log-likelihood of sentences, and how often it prefers the right one of two.

Salazar et al. 2020, arXiv:1910.14659: the sum over a sentence's tokens of the log probability of
the token when it alone is masked.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array
from numpy.typing import NDArray

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.probes.pairs import Pair
from bert_jax.probes.sentences import ask, encode, padded
from bert_jax.training.together import together


class PairProbe:
    """The share of pairs whose good sentence is the likelier one; a tie counts half."""

    def __init__(
        self,
        apply: Callable[..., Any],
        pairs: Sequence[Pair],
        tokenizer: Tokenizer,
        positions: int,
        answers: NamedSharding,
    ) -> None:
        """Encode the pairs.

        Args:
            apply: of the model's module.
            pairs: at least one.
            tokenizer: the model's.
            positions: tokens that the model can take, [CLS] and [SEP] included.
            answers: a sharding that shows what is computed to every process.

        Raises:
            DataError: a sentence is too long for the model.
        """
        self._pairs = pairs
        texts = ((pair.place, text) for pair in pairs for text in (pair.good, pair.bad))
        sentences = encode(texts, tokenizer, positions, "pairs")
        self._sentences = len(sentences)
        self._rows, self._owner = _one_mask_a_row(sentences, tokenizer)

        def score(params: Any, ids: Array, masked: Array, answers: Array) -> Array:
            seen = (ids != tokenizer.pad_id).astype(jnp.int32)
            logits = apply({"params": params}, ids, jnp.zeros_like(ids), seen, masked)
            vocabulary = logits.masked_language_model[:, 0, : tokenizer.vocab_size]
            logs = jax.nn.log_softmax(vocabulary.astype(jnp.float32), axis=-1)
            return jnp.take_along_axis(logs, answers, axis=-1)[:, 0]

        self._score = together(jax.jit(score, out_shardings=answers))

    def likelihoods(self, params: Any) -> NDArray[np.float64]:
        """Return the pseudo-log-likelihood of each sentence, good and bad in turn, in nats."""
        sums = np.zeros(self._sentences)
        np.add.at(sums, self._owner, ask(self._score, params, *self._rows).astype(np.float64))
        return sums

    def __call__(self, params: Any) -> dict[str, float]:
        """Return `pairs_accuracy`, of all pairs, and `pairs_accuracy/NAME` of each phenomenon."""
        return shares(self._pairs, self.likelihoods(params))


def shares(pairs: Sequence[Pair], scores: NDArray[np.float64]) -> dict[str, float]:
    """Return the shares of pairs that scores (good and bad in turn) put in the right order."""
    good, bad = scores[0::2], scores[1::2]
    right = np.where(good == bad, 0.5, good > bad)
    found = {"pairs": float(len(pairs)), "pairs_accuracy": float(right.mean())}
    for phenomenon in dict.fromkeys(pair.phenomenon for pair in pairs):
        of = [pair.phenomenon == phenomenon for pair in pairs]
        found[f"pairs_accuracy/{phenomenon}"] = float(right[of].mean())
    return found


def _one_mask_a_row(
    sentences: Sequence[Sequence[int]], tokenizer: Tokenizer
) -> tuple[tuple[NDArray[np.int32], ...], NDArray[np.int64]]:
    """Make a row of each token of each sentence, [CLS] and [SEP] left out, with it masked.

    Returns:
        The rows [R, T], the masked place [R, 1] and the token there [R, 1]; whose row it is [R].
    """
    rows, masked, answers, owner = [], [], [], []
    for number, ids in enumerate(sentences):
        for place in range(1, len(ids) - 1):
            rows.append([*ids[:place], tokenizer.mask_id, *ids[place + 1 :]])
            masked.append([place])
            answers.append([ids[place]])
            owner.append(number)
    columns = (
        padded(rows, tokenizer.pad_id),
        np.array(masked, np.int32),
        np.array(answers, np.int32),
    )
    return columns, np.array(owner, np.int64)
