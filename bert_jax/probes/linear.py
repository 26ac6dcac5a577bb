"""How much of a sentence a linear classifier finds in what a frozen encoder makes of it.

Conneau et al. 2018, arXiv:1805.01070: what is easily read off a sentence's vector, its encoder has
learnt. The vector is the mean over the tokens' last hidden states, [CLS] and [SEP] among them, as
`predict --task=embed --pooling=mean` gives it. Without fine-tuning it tells more than that of [CLS]
(Reimers and Gurevych 2019, arXiv:1908.10084), which next sentence prediction alone ever looks at.
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
from bert_jax.probes.labelled import Labelled
from bert_jax.probes.logistic import held_out_predictions
from bert_jax.probes.sentences import ask, encode, padded
from bert_jax.training.together import together


class LinearProbe:
    """The share of sentences whose label is found by a classifier that was fitted to others."""

    def __init__(
        self,
        apply: Callable[..., Any],
        sentences: Sequence[Labelled],
        tokenizer: Tokenizer,
        positions: int,
        answers: NamedSharding,
    ) -> None:
        """Encode the sentences.

        Args:
            apply: of the model's encoder, which gives the last hidden states.
            sentences: of every task two labels at least, and two of each.
            tokenizer: the model's.
            positions: tokens that the model can take, [CLS] and [SEP] included.
            answers: a sharding that shows what is computed to every process.

        Raises:
            DataError: a sentence is too long for the model.
        """
        self._sentences = sentences
        texts = ((sentence.place, sentence.text) for sentence in sentences)
        self._ids = padded(encode(texts, tokenizer, positions, "labelled"), tokenizer.pad_id)

        def mean(params: Any, ids: Array) -> Array:
            seen = (ids != tokenizer.pad_id).astype(jnp.int32)
            hidden = apply({"params": params}, ids, jnp.zeros_like(ids), seen)
            weights = seen / jnp.sum(seen, axis=1, keepdims=True)
            return jnp.sum(hidden.astype(jnp.float32) * weights[:, :, None], axis=1)

        self._mean = together(jax.jit(mean, out_shardings=answers))

    def vectors(self, params: Any) -> NDArray[np.float32]:
        """Return the vector of each sentence: [N, D]."""
        return ask(self._mean, params, self._ids)

    def __call__(self, params: Any) -> dict[str, float]:
        """Return `linear_accuracy` of all sentences and `linear_accuracy/TASK` of each task's.

        Beside each stands `linear_majority`: what always giving the task's commonest label gets.
        """
        return accuracies(self._sentences, self.vectors(params))


def accuracies(sentences: Sequence[Labelled], vectors: NDArray[np.float32]) -> dict[str, float]:
    """Score a classifier of its own for each task, on sentences that it was not fitted to."""
    right, majority = np.zeros(len(sentences)), np.zeros(len(sentences))
    of_task: dict[str, list[int]] = {}
    for row, sentence in enumerate(sentences):
        of_task.setdefault(sentence.task, []).append(row)
    for rows in of_task.values():
        names = [sentences[row].label for row in rows]
        labels = np.unique(names, return_inverse=True)[1]
        right[rows] = held_out_predictions(vectors[rows], labels) == labels
        majority[rows] = labels == np.bincount(labels).argmax()
    every = {"": list(range(len(sentences)))}
    every |= {f"/{task}": rows for task, rows in of_task.items()}
    found = {"linear_sentences": float(len(sentences))}
    for name, rows in every.items():
        found[f"linear_accuracy{name}"] = float(right[rows].mean())
        found[f"linear_majority{name}"] = float(majority[rows].mean())
    return found
