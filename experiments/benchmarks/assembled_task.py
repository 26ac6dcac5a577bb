"""Our fine-tuning put together for a case, of a model drawn at random."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax import cli
from bert_jax.data.grouping import RowBatch
from bert_jax.heap import KeptMemory
from bert_jax.runs import finetuning
from bert_jax.runs.finetuning_config import FinetuneConfig
from bert_jax.runs.task_assembly import Finetuning
from bert_jax.training.prefetch import prefetched
from configs import finetune
from experiments.benchmarks.sizes import LEARNING_RATE, Case

BATCHES = 200  # that both sides go through again and again


def finetuning_of(
    case: Case, arguments: str, data: str, tokenizer: str, **fields: Any
) -> Finetuning:
    """Assemble.

    Args:
        case: the model and its batch.
        arguments: what stands behind the colon of `configs/finetune.py`: a task, an accelerator.
        data: folder of the task's files.
        tokenizer: folder, vocab.txt or .model.
        fields: of the config, with "__" for a dot.
    """
    config = finetune.get_config(arguments)
    values = {
        "data.path": data,
        "init_from": "random",
        "random.size": case.size,
        "random.tokenizer": tokenizer,
        "train.batch_size": case.batch_size,
        "train.max_seq_length": case.max_seq_length,
        "optimizer.learning_rate": LEARNING_RATE,
    }
    values |= {name.replace("__", "."): value for name, value in fields.items()}
    config.update_from_flattened_dict(values)
    return finetuning.assemble(cli.build(FinetuneConfig, config.to_dict(), "config"))


def full_batches(made: Finetuning) -> list[RowBatch]:
    """Give the rows of the first steps, but for those that an epoch's end leaves rows out of."""
    batches = map(made.chosen(0), range(made.steps))
    full = (batch for batch in batches if len(batch.rows) == made.batching.batch_size)
    return list(itertools.islice(full, BATCHES))


class FinetuneStepping:
    """The step that `finetune` runs, over its own input path.

    Compiled for each length that there is by the time it is made.
    """

    def __init__(self, made: Finetuning) -> None:
        self.state = made.initial_state(made.fitted(0), 0)
        self._step = made.side_by_side.of_one
        self._rate = np.float32(LEARNING_RATE)
        self._memory = KeptMemory()
        batches = full_batches(made)

        def placed(index: int) -> Any:
            return made.put(made.filled(batches[index % len(batches)]))

        for index in firsts(batches):
            self.take(placed(index))
        self.batches = prefetched(placed, 0, 10**9)

    def take(self, batch: Any) -> None:
        """Take one step, and look at its norms as a run does before the next."""
        self.state, _, norms = self._step(self.state, batch, self._rate, np.float32(np.inf))
        np.asarray(norms)
        self._memory.look()


def firsts(batches: Sequence[RowBatch]) -> list[int]:
    """Give the first batch of each length."""
    lengths = [batch.length for batch in batches]
    return [lengths.index(length) for length in sorted(set(lengths))]


def write_rows(path: Path, made: Finetuning) -> None:
    """Write the task's rows, and which of them each of our steps takes, for the other side."""
    features = made.task.features["train"]
    batches = full_batches(made)
    np.savez(
        path,
        input_ids=np.concatenate(features.input_ids),
        token_type_ids=np.concatenate(features.token_type_ids),
        lengths=[len(ids) for ids in features.input_ids],
        labels=features.targets["label"],
        steps=np.stack([batch.rows for batch in batches]),
        step_lengths=[batch.length for batch in batches],
        firsts=firsts(batches),
        number_of_labels=len(made.task.labels),
        vocab_size=made.model.vocab_size,
        pad_id=made.tokenizer.pad_id,
    )
