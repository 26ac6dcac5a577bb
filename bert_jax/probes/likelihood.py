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
from bert_jax.errors import DataError
from bert_jax.probes.pairs import Pair
from bert_jax.training.together import together

ROWS = 256  # computed at a time


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
        sentences = []
        for pair in pairs:
            for text in (pair.good, pair.bad):
                ids = [tokenizer.cls_id, *tokenizer.encode_batch([text])[0], tokenizer.sep_id]
                if len(ids) > positions:
                    raise DataError(
                        f"{pair.place}: {text!r} has {len(ids)} tokens, but "
                        f"config.model.max_position_embeddings={positions}; shorten it, or name "
                        "other pairs by --config.probe.pairs=FILE"
                    )
                sentences.append(ids)
        self._sentences = len(sentences)
        self._ids, self._masked, self._answers, self._owner = _one_mask_a_row(sentences, tokenizer)

        def score(params: Any, ids: Array, masked: Array, answers: Array) -> Array:
            seen = (ids != tokenizer.pad_id).astype(jnp.int32)
            logits = apply({"params": params}, ids, jnp.zeros_like(ids), seen, masked)
            vocabulary = logits.masked_language_model[:, 0, : tokenizer.vocab_size]
            logs = jax.nn.log_softmax(vocabulary.astype(jnp.float32), axis=-1)
            return jnp.take_along_axis(logs, answers, axis=-1)[:, 0]

        self._score = together(jax.jit(score, out_shardings=answers))

    def likelihoods(self, params: Any) -> NDArray[np.float64]:
        """Return the pseudo-log-likelihood of each sentence, good and bad in turn, in nats."""
        found = []
        for first in range(0, len(self._owner), ROWS):
            rows = np.arange(first, first + ROWS) % len(self._owner)  # the last batch is filled up
            found.append(
                jax.device_get(
                    self._score(params, self._ids[rows], self._masked[rows], self._answers[rows])
                )
            )
        logs = np.concatenate(found)[: len(self._owner)].astype(np.float64)
        sums = np.zeros(self._sentences)
        np.add.at(sums, self._owner, logs)
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
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Make a row of each token of each sentence, [CLS] and [SEP] left out, with it masked.

    Returns:
        The rows [R, T]; the masked place [R, 1]; the token there [R, 1]; whose row it is [R].
    """
    length = max(map(len, sentences))
    rows, masked, answers, owner = [], [], [], []
    for number, ids in enumerate(sentences):
        for place in range(1, len(ids) - 1):
            row = [*ids, *[tokenizer.pad_id] * (length - len(ids))]
            answers.append([row[place]])
            row[place] = tokenizer.mask_id
            rows.append(row)
            masked.append([place])
            owner.append(number)
    ids, places, tokens = (np.array(values, np.int32) for values in (rows, masked, answers))
    return ids, places, tokens, np.array(owner, np.int64)
