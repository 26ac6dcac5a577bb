"""A contestant: pretraining with `transformers` and torch.

    python -m experiments.benchmarks.huggingface_pretraining CASE BATCHES.npz \\
        [bfloat16] [tuned] [compiled]

With no word, the loop that `transformers`' documentation leads to: `BertForPreTraining`, every
position scored against the vocabulary, float32, torch's AdamW. `tuned` gathers the masked positions
before the vocabulary is scored, and takes the fused AdamW; the other words are those of
`huggingface.train`. Attention is SDPA in all.
"""

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import BertForPreTraining

from experiments.benchmarks.huggingface import Batch, make_config, settle, train, whole_loss
from experiments.benchmarks.sizes import CASES, VOCAB_SIZE, Case

NOT_SCORED = -100  # the label that torch's loss leaves out


def main(case: Case, path: Path, words: Sequence[str]) -> None:
    """Build the model and take turns."""
    settle()
    dropout = {"attention_probs_dropout_prob": case.probabilities_dropout}
    model = BertForPreTraining(make_config(case.size, VOCAB_SIZE, **dropout))
    tuned = "tuned" in words
    train(
        model,
        gathered_loss if tuned else whole_loss,
        masked_batches(path, case, gathered=tuned),
        words,
        fused=True if tuned else None,
        tokens=case.batch_size * case.max_seq_length,
    )


def gathered_loss(model: BertForPreTraining, batch: Batch) -> torch.Tensor:
    """Score the masked positions alone: labels and positions [B, P]."""
    output = model.bert(
        batch["input_ids"],
        attention_mask=batch["attention_mask"],
        token_type_ids=batch["token_type_ids"],
    )
    hidden = output.last_hidden_state
    rows = torch.arange(hidden.shape[0]).unsqueeze(1)
    scores, relation = model.cls(hidden[rows, batch["positions"]], output.pooler_output)
    cross_entropy = torch.nn.functional.cross_entropy
    mlm = cross_entropy(scores.flatten(0, 1).float(), batch["labels"].flatten())
    return mlm + cross_entropy(relation.float(), batch["next_sentence_label"])


def masked_batches(path: Path, case: Case, *, gathered: bool) -> Iterator[Batch]:
    """Go round the batches, masking 15% anew each time: 80% [MASK], 10% random, 10% kept."""
    with np.load(path) as file:
        kept = {name: file[name] for name in file.files}
    random = np.random.default_rng(0)
    for i in itertools.cycle(range(len(kept["input_ids"]))):
        ids = kept["input_ids"][i]
        scores = random.random(ids.shape)
        scores[np.isin(ids, kept["special_ids"])] = 2
        places = np.argsort(scores, axis=1)[:, : case.max_predictions]
        lengths = kept["attention_mask"][i].sum(axis=1, keepdims=True)
        counted = np.arange(case.max_predictions) < np.round(0.15 * lengths)
        labels = np.where(counted, np.take_along_axis(ids, places, 1), NOT_SCORED)
        draw = random.random(labels.shape)
        shown = np.where(draw < 0.9, labels, random.integers(kept["token_ids"], size=labels.shape))
        shown = np.where(draw < 0.8, kept["mask_id"], shown)
        shown = np.where(counted, shown, np.take_along_axis(ids, places, 1))
        masked = ids.copy()
        np.put_along_axis(masked, places, shown, 1)
        batch = {"input_ids": masked}
        batch |= {name: kept[name][i] for name in ("token_type_ids", "attention_mask")}
        batch["next_sentence_label"] = kept["next_sentence_label"][i]
        if gathered:
            batch |= {"labels": labels, "positions": places}
        else:
            batch["labels"] = np.full_like(ids, NOT_SCORED)
            np.put_along_axis(batch["labels"], places, labels, 1)
        yield {name: torch.from_numpy(array.astype(np.int64)) for name, array in batch.items()}


if __name__ == "__main__":
    main(CASES[sys.argv[1]], Path(sys.argv[2]), sys.argv[3:])
