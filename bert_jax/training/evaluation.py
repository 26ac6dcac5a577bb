"""Looking at a model between steps: held-out metrics, and words for [MASK]."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array

from bert_jax.data.batches import PretrainingRows
from bert_jax.data.samples import Sample
from bert_jax.data.tokenizers import Tokenizer
from bert_jax.training.sharding import Sharding
from bert_jax.training.step import EvalStep
from bert_jax.training.together import together

TOP = 5


class HeldOut:
    """Metrics over a fixed set of rows with fixed masks."""

    def __init__(
        self,
        rows: PretrainingRows,
        eval_step: EvalStep,
        sharding: Sharding,
        key: Array,
        *,
        sequences: int,
        batch_size: int,
    ) -> None:
        """Choose the rows.

        Args:
            rows: of the held-out split; the first ones of its epoch 0 are used.
            eval_step: jitted.
            sharding: where a batch goes; its size is a multiple of the parts it is cut into.
            key: the masks' randomness, the same at every evaluation.
            sequences: rows wanted; fewer if the split has fewer.
            batch_size: rows at a time, at most.
        """
        self._rows, self._eval_step = rows, eval_step
        self._sharding, self._key = sharding, key
        batch_multiple = sharding.batch_devices
        available = min(sequences, rows.rows_per_epoch)
        fitting = min(batch_size, available) // batch_multiple * batch_multiple
        self._batch = max(fitting, batch_multiple)  # rows repeat if there are not even so many
        self._batches = max(available // self._batch, 1)

    def __call__(self, params: Any) -> dict[str, float]:
        """Sum over all batches, then divide; perplexity is that of the masked language model."""
        totals: dict[str, list[float]] = {}
        for index in range(self._batches):
            first = index * self._batch
            batch = self._sharding.batch_of(
                self._batch, lambda p, first=first: self._rows(first + p)
            )
            metrics = self._eval_step(params, batch, jax.random.fold_in(self._key, index))
            for name, ratio in jax.device_get(metrics).items():
                entry = totals.setdefault(name, [0.0, 0.0])
                entry[0] += float(ratio.numerator)
                entry[1] += float(ratio.denominator)
        means = {name: top / max(bottom, 1e-9) for name, (top, bottom) in totals.items()}
        return means | {"mlm_perplexity": math.exp(min(means["mlm_loss"], 700.0))}


class FillMask:
    """The model's top words for each hidden position of fixed sentences."""

    def __init__(
        self,
        apply: Callable[..., Any],
        samples: Sequence[Sample],
        tokenizer: Tokenizer,
        answers: NamedSharding,
    ) -> None:
        """Choose the sentences; the answers come with a sharding that shows them to everyone."""
        self._samples, self._tokenizer = samples, tokenizer
        if not samples:
            return
        length = max(len(sample.input_ids) for sample in samples)
        slots = max(len(sample.positions) for sample in samples)
        ids = np.full((len(samples), length), tokenizer.pad_id, np.int32)
        positions = np.zeros((len(samples), slots), np.int32)
        for row, sample in enumerate(samples):
            ids[row, : len(sample.input_ids)] = sample.input_ids
            ids[row, list(sample.positions)] = tokenizer.mask_id
            positions[row, : len(sample.positions)] = sample.positions
        self._inputs = ids, positions

        def top(params: Any, ids: Array, positions: Array) -> tuple[Array, Array]:
            seen = (ids != tokenizer.pad_id).astype(jnp.int32)
            logits = apply({"params": params}, ids, jnp.zeros_like(ids), seen, positions)
            probabilities = jax.nn.softmax(logits.masked_language_model, axis=-1)
            return jax.lax.top_k(probabilities[..., : tokenizer.vocab_size], TOP)

        self._top = together(jax.jit(top, out_shardings=answers))

    def __call__(self, params: Any) -> list[dict[str, Any]]:
        """Describe each sentence: its text, and for each mask the answer and the top words."""
        if not self._samples:
            return []
        probabilities, ids = jax.device_get(self._top(params, *self._inputs))
        described = []
        for row, sample in enumerate(self._samples):
            shown = list(sample.input_ids[1:-1])
            for position in sample.positions:
                shown[position - 1] = self._tokenizer.mask_id
            masks = []
            for slot, position in enumerate(sample.positions):
                words = map(self._word, ids[row, slot].tolist())
                top = [
                    [word, round(float(p), 4)]
                    for word, p in zip(words, probabilities[row, slot], strict=True)
                ]
                masks.append({"answer": self._word(sample.input_ids[position]), "top": top})
            described.append({"text": self._tokenizer.decode(shown), "masks": masks})
        return described

    def _word(self, token_id: int) -> str:
        return self._tokenizer.id_to_token(token_id).replace("▁", "")
