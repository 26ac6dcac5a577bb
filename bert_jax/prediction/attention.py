"""Where a model's heads look as they read a line, as a page."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bert_jax import Loaded
from bert_jax.data.lines import ReadReport
from bert_jax.errors import CheckpointError, DataError
from bert_jax.model import Bert, Execution
from bert_jax.model.encoder import attention_probabilities
from bert_jax.objectives.finetuning import TaskBatch
from bert_jax.prediction.lines import Line
from bert_jax.prediction.rows import make_rows
from bert_jax.prediction.scores import PredictConfig, Scorer, apply
from bert_jax.report.attention.page import Attended, render

MOST_LINES = 8
_LONGEST = 128  # tokens, unless asked: a page grows with their square


def for_a_page(options: PredictConfig, loaded: Loaded) -> PredictConfig:
    """Set rows to the length that a page shows well, unless another was asked for.

    They are computed one at a time: the probabilities of a batch would be much to hold.
    """
    longest = options.max_seq_length
    if longest is None:
        longest = min(_LONGEST, loaded.config.max_position_embeddings)
    return replace(options, batch_size=1, max_seq_length=longest)


def write_attention(
    out: BinaryIO, scorer: Scorer, chunks: Iterable[list[Line]], model: str
) -> None:
    """Write a page about the first lines; `model` is its name there.

    Raises:
        DataError: there is no line, or one has no text.
        CheckpointError: a number is not finite.
    """
    attended = attend(scorer, _first_lines(chunks, scorer.report))
    page = render(model, attended, datetime.now().astimezone())
    out.write(page.encode(errors="replace"))


def attend(scorer: Scorer, lines: Sequence[Line]) -> list[Attended]:
    """Compute how all heads attend within each line.

    Raises:
        DataError: a line has no text.
        CheckpointError: a number is not finite.
    """
    loaded, tokenizer = scorer.loaded, scorer.loaded.tokenizer
    bert = Bert(loaded.config, Execution())

    @jax.jit
    def forward(params: Any, batch: TaskBatch) -> Float[Array, "B T L N S"]:
        encoder = params["bert"]["encoder"]
        states = apply(bert, params["bert"], batch, method=Bert.encode)
        found = attention_probabilities(loaded.config, encoder, states, batch.attention_mask)
        return jnp.moveaxis(found, 3, 1)  # tokens in front, where padding is cut off

    examples = [line.as_example() for line in lines]
    features = make_rows(examples, tokenizer, scorer.max_seq_length, scorer.report, masks=True)
    rows = zip(examples, features.input_ids, features.token_type_ids,
               scorer.scores(forward, features), strict=True)  # fmt: skip
    attended = []
    for example, ids, segments, row in rows:
        probabilities = np.moveaxis(row, 0, 2)[..., : len(ids)]  # [L, N, T, T]
        if not np.isfinite(probabilities).all():
            raise CheckpointError(
                f"the model gives numbers that are not finite for {example.place}; "
                "its parameters are of no use"
            )
        pair = () if example.text_pair is None else (example.text_pair,)
        attended.append(
            Attended(
                texts=(example.text, *pair),
                tokens=tuple(tokenizer.id_to_token(int(id)) for id in ids),
                segments=tuple(segments),
                special=tuple(id in (tokenizer.cls_id, tokenizer.sep_id) for id in ids),
                probabilities=probabilities,
            )
        )
    return attended


def _first_lines(chunks: Iterable[list[Line]], report: ReadReport) -> list[Line]:
    """Take as many lines as a page shows.

    Raises:
        DataError: there is none.
    """
    first: list[Line] = []
    for line in itertools.chain.from_iterable(chunks):
        if len(first) < MOST_LINES:
            first.append(line)
        else:
            report.note(f"lines beyond the {MOST_LINES} that a page shows", line.place)
    if not first:
        raise DataError("the input holds no line, so there is no attention to show")
    return first
