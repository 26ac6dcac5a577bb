"""What a model computes for all lines at once, as arrays of an .npz file.

The arrays are what the model gives for `input_ids`, `token_type_ids` and `attention_mask` of the
same file, on padding too. All of them are held in memory.
"""

from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bert_jax.data.grouping import RowBatch
from bert_jax.errors import DataError
from bert_jax.model import Bert, Execution
from bert_jax.objectives.finetuning import TaskBatch
from bert_jax.prediction.heads import find_heads
from bert_jax.prediction.lines import Line
from bert_jax.prediction.rows import make_rows
from bert_jax.prediction.scores import Scorer, apply
from bert_jax.runs.task_batches import fill
from bert_jax.tasks.examples import Features

INPUTS = ("input_ids", "token_type_ids", "attention_mask")

Forward = Callable[[Any, TaskBatch], dict[str, Array]]


def write_arrays(out: BinaryIO, scorer: Scorer, chunks: Iterable[list[Line]], task: str) -> None:
    """Write the arrays of a task, "embed" or "logits".

    Raises:
        DataError: there is no line.
    """
    examples = [line.as_example() for lines in chunks for line in lines]
    if not examples:
        raise DataError("the input holds no line, so there is no array to write")
    features = make_rows(
        examples, scorer.loaded.tokenizer, scorer.max_seq_length, scorer.report, masks=True
    )
    if task == "embed":
        arrays = _run(scorer, features, _vectors(scorer))
        arrays["hidden_states"] = np.moveaxis(arrays["hidden_states"], 1, 0)  # [L + 1, rows, T, D]
    else:
        arrays = _run(scorer, features, _logits(scorer)) | _chain(scorer)
    np.savez(out, **arrays)  # type: ignore[arg-type]


def _run(scorer: Scorer, features: Features, forward: Forward) -> dict[str, np.ndarray]:
    """Run a model over all rows in order, padded to the longest; return its inputs and outputs."""
    size, rows = scorer.options.batch_size, len(features.input_ids)
    length = max(map(len, features.input_ids))
    compiled = jax.jit(forward)
    parts: list[dict[str, np.ndarray]] = []
    for start in range(0, rows, size):
        chosen = RowBatch(np.arange(start, min(start + size, rows)), length)
        batch = fill(features, chosen, size, scorer.loaded.tokenizer.pad_id)
        given = {name: getattr(batch, name) for name in INPUTS}
        found = given | jax.device_get(compiled(scorer.loaded.params, batch))
        parts.append({name: array[: len(chosen.rows)] for name, array in found.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _vectors(scorer: Scorer) -> Forward:
    """Give the states of all layers, and the pooled ones where the model has a pooler."""
    bert = Bert(scorer.loaded.config, Execution())

    def forward(params: Any, batch: TaskBatch) -> dict[str, Array]:
        if not scorer.pools:
            states = apply(bert, params["bert"], batch, method=Bert.encode)
            return {"hidden_states": jnp.stack(states, axis=1)}
        output = apply(bert, params["bert"], batch)
        return {
            "hidden_states": jnp.stack(output.hidden_states, axis=1),
            "pooled": output.pooled,
        }

    return forward


def _logits(scorer: Scorer) -> Forward:
    """Give what each head scores; heads that the checkpoint lacked are left out."""
    module, kind = scorer.loaded.module, scorer.loaded.kind
    there = find_heads(scorer.loaded)

    def forward(params: Any, batch: TaskBatch) -> dict[str, Array]:
        if kind == "pretraining":
            everywhere = jnp.broadcast_to(
                jnp.arange(batch.input_ids.shape[1]), batch.input_ids.shape
            )
            scores = apply(module, params, batch, everywhere)
            both = {"mlm": scores.masked_language_model, "nsp": scores.next_sentence}
            return {head: both[head] for head in there}
        scores = apply(module, params, batch)
        (head, *_) = there
        return {head: scores.emissions if kind == "tagging" else scores}

    return forward


def _chain(scorer: Scorer) -> dict[str, np.ndarray]:
    """Give the scores of a chain of tags, which are the same for all rows."""
    if "crf" not in find_heads(scorer.loaded):
        return {}
    chain = scorer.loaded.params["crf"]
    return {f"crf_{name}": np.asarray(array) for name, array in chain.items()}
