"""What a model says of whole texts and pairs: masks filled, order, class, vectors."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bert_jax.errors import CheckpointError
from bert_jax.model import Bert, Execution
from bert_jax.objectives.finetuning import TaskBatch
from bert_jax.prediction.lines import Line
from bert_jax.prediction.output import rounded
from bert_jax.prediction.rows import MASK, make_rows
from bert_jax.prediction.scores import Answer, Scorer, apply
from bert_jax.tasks.examples import Example, Features


def fill_mask(scorer: Scorer) -> Answer:
    """Give the likeliest pieces for each mask; for one that was cut off, none."""
    loaded, tokenizer = scorer.loaded, scorer.loaded.tokenizer
    kept = min(scorer.options.top_k, loaded.config.vocab_size)

    @jax.jit
    def forward(params: Any, batch: TaskBatch) -> Float[Array, "B P 2 K"]:
        positions: Int[Array, "B P"] = batch.targets["positions"]
        scores = apply(loaded.module, params, batch, positions)
        best, ids = jax.lax.top_k(jax.nn.softmax(scores.masked_language_model), kept)
        return jnp.stack([best, ids.astype(jnp.float32)], axis=2)  # exact up to 2**24 pieces

    def answer(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
        examples = [line.as_example() for line in lines]
        features = _rows(scorer, examples, masks=True)
        places = [np.flatnonzero(np.equal(row, tokenizer.mask_id)) for row in features.input_ids]
        most = max(map(len, places))
        # A power of two, so that there are few sizes to compile for.
        positions = np.zeros((len(places), 1 << max(0, most - 1).bit_length()), np.int32)
        for row, found in zip(positions, places, strict=True):
            row[: len(found)] = found
        features.targets["positions"] = positions
        scores = scorer.scores(forward, features)
        rows = zip(examples, features.token_type_ids, places, scores, strict=True)
        for example, segments, found, row in rows:
            masks: list[list[dict[str, Any]]] = []
            for segment, text in enumerate((example.text, example.text_pair or "")):
                of_text = [i for i, place in enumerate(found) if segments[place] == segment]
                masks += [pieces(*row[i]) for i in of_text]
                masks += [[]] * (text.count(MASK) - len(of_text))  # cut off
            if not masks:
                scorer.report.note(f"without a {MASK}", example.place)
            yield {**_repeat(example), "masks": masks}

    def pieces(shares: np.ndarray, ids: np.ndarray) -> list[dict[str, Any]]:
        return [
            {"token": tokenizer.id_to_token(int(id)), "id": int(id), "probability": share}
            for share, id in zip(rounded(shares), ids, strict=True)
        ]

    return answer


def next_sentence(scorer: Scorer) -> Answer:
    """Give the probability that the second text follows the first."""
    loaded = scorer.loaded

    @jax.jit
    def forward(params: Any, batch: TaskBatch) -> Float[Array, "B 2"]:
        nowhere = jnp.zeros((len(batch.input_ids), 1), jnp.int32)
        scores = apply(loaded.module, params, batch, nowhere)
        return jax.nn.softmax(scores.next_sentence)

    def answer(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
        examples = [line.as_pair() for line in lines]
        scores = scorer.scores(forward, _rows(scorer, examples))
        for example, (follows, _) in zip(examples, scores, strict=True):
            yield {**_repeat(example), "is_next": rounded(follows)}

    return answer


def classify(scorer: Scorer) -> Answer:
    """Give the class and the probability of each; of a model with one output, its value."""
    loaded = scorer.loaded

    @jax.jit
    def forward(params: Any, batch: TaskBatch) -> Float[Array, "B C"]:
        scores = apply(loaded.module, params, batch)
        return scores if len(loaded.labels) == 1 else jax.nn.softmax(scores)

    def answer(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
        examples = [line.as_example() for line in lines]
        scores = scorer.scores(forward, _rows(scorer, examples))
        for example, row in zip(examples, scores, strict=True):
            if len(loaded.labels) == 1:
                yield {**_repeat(example), "prediction": rounded(row[0])}
                continue
            shares = dict(zip(loaded.labels, rounded(row), strict=True))
            best = loaded.labels[int(row.argmax())]
            yield {**_repeat(example), "prediction": best, "probabilities": shares}

    return answer


def embed(scorer: Scorer) -> Answer:
    """Give a vector for each text, or one for each of its tokens, [CLS] and [SEP] too."""
    loaded, pooling, layer = scorer.loaded, scorer.options.pooling, scorer.options.layer
    bert = Bert(loaded.config, Execution())
    if pooling == "pooled" and not scorer.pools:
        raise CheckpointError(
            "--pooling=pooled: the model's checkpoint has no pooler; --pooling=mean and "
            "--pooling=tokens do without"
        )

    @jax.jit
    def forward(params: Any, batch: TaskBatch) -> Float[Array, "B D"] | Float[Array, "B T D"]:
        if pooling == "pooled":
            return apply(bert, params["bert"], batch).pooled
        hidden = apply(bert, params["bert"], batch, method=Bert.encode)[layer]
        if pooling == "tokens":
            return hidden
        mask = batch.attention_mask[:, :, None]
        return jnp.sum(hidden * mask, axis=1) / jnp.sum(mask, axis=1)

    def answer(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
        examples = [line.as_example() for line in lines]
        features = _rows(scorer, examples, masks=True)
        scores = scorer.scores(forward, features)
        for example, ids, row in zip(examples, features.input_ids, scores, strict=True):
            if pooling == "tokens":
                tokens = [loaded.tokenizer.id_to_token(id) for id in ids]
                yield {**_repeat(example), "tokens": tokens, "embeddings": rounded(row)}
            else:
                yield {**_repeat(example), "embedding": rounded(row)}

    return answer


def _rows(scorer: Scorer, examples: Sequence[Example], *, masks: bool = False) -> Features:
    tokenizer = scorer.loaded.tokenizer
    return make_rows(examples, tokenizer, scorer.max_seq_length, scorer.report, masks=masks)


def _repeat(example: Example) -> dict[str, Any]:
    """Return what was asked about, for the reader of the answer."""
    pair = {} if example.text_pair is None else {"text_pair": example.text_pair}
    return {"text": example.text, **pair}
