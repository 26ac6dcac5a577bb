"""A contestant: fine-tuning with `transformers` and torch.

    python -m experiments.benchmarks.huggingface_finetuning CASE ROWS.npz \\
        [bfloat16] [tuned] [compiled]

With no word, what `transformers`' own trainer does: rows in a random order, each batch padded to
its longest row, the fused AdamW, float32. `tuned` takes the very batches of ours, which are grouped
by length; the other words are those of `huggingface.train`. Attention is SDPA in all.
"""

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import BertForSequenceClassification

from experiments.benchmarks.huggingface import Batch, make_config, settle, train, whole_loss
from experiments.benchmarks.sizes import TASK_CASES, Case


def main(case: Case, path: Path, words: Sequence[str]) -> None:
    """Build the model and take turns."""
    settle()
    with np.load(path) as file:
        kept = {name: file[name] for name in file.files}
    labels = {"num_labels": int(kept["number_of_labels"])}
    model = BertForSequenceClassification(make_config(case.size, int(kept["vocab_size"]), **labels))
    tuned = "tuned" in words
    train(
        model,
        whole_loss,
        grouped_batches(kept) if tuned else shuffled_batches(kept, case.batch_size),
        words,
        fused=True,
        first=len(kept["firsts"]) if tuned else 0,
        rows=case.batch_size,
    )


def grouped_batches(kept: dict[str, np.ndarray]) -> Iterator[Batch]:
    """Give the batches of ours, first one of each length, which a compiled step is compiled for."""
    steps = [*kept["firsts"], *range(len(kept["steps"]))]
    for step in itertools.chain(steps, itertools.cycle(range(len(kept["steps"])))):
        yield laid_out(kept, kept["steps"][step], int(kept["step_lengths"][step]))


def shuffled_batches(kept: dict[str, np.ndarray], batch_size: int) -> Iterator[Batch]:
    """Give rows in a random order, each once an epoch, but for those that fill no batch."""
    random = np.random.default_rng(0)
    while True:
        order = random.permutation(len(kept["lengths"]))
        for start in range(0, len(order) - batch_size + 1, batch_size):
            rows = order[start : start + batch_size]
            yield laid_out(kept, rows, int(kept["lengths"][rows].max()))


def laid_out(kept: dict[str, np.ndarray], rows: np.ndarray, length: int) -> Batch:
    """Pad rows [B] to a length T: ids, segments and mask [B, T], labels [B]."""
    ends = np.cumsum(kept["lengths"])
    shape = (len(rows), length)
    batch = {
        "input_ids": np.full(shape, kept["pad_id"], np.int64),
        "token_type_ids": np.zeros(shape, np.int64),
        "attention_mask": np.zeros(shape, np.int64),
        "labels": kept["labels"][rows].astype(np.int64),
    }
    for place, row in enumerate(rows):
        count = kept["lengths"][row]
        of_row = slice(ends[row] - count, ends[row])
        for name in ("input_ids", "token_type_ids"):
            batch[name][place, :count] = kept[name][of_row]
        batch["attention_mask"][place, :count] = 1
    return {name: torch.from_numpy(array) for name, array in batch.items()}


if __name__ == "__main__":
    main(TASK_CASES[sys.argv[1]], Path(sys.argv[2]), sys.argv[3:])
