"""A contestant: `transformers` and torch, as they come or as well as one can make them.

Needs torch and transformers, which this project does not use: run it in an environment of its own.

    python -m experiments.benchmarks.huggingface CASE BATCHES.npz [bfloat16] [tuned] [compiled]

With neither word, the loop that `transformers`' documentation leads to: `BertForPreTraining`, every
position scored against the vocabulary, float32, torch's AdamW. `bfloat16` runs forward passes under
autocast. `tuned` gathers the masked positions before the vocabulary is scored, and takes the fused
AdamW; `compiled` has torch compile the forward and backward passes. Attention is SDPA in all.
"""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import BertConfig, BertForPreTraining

from experiments.benchmarks.sizes import CASES, LEARNING_RATE, VOCAB_SIZE, Case
from experiments.benchmarks.turns import serve

THREADS = 2
SHAPES = {  # layers and hidden size
    "tiny": (2, 128),
    "mini": (4, 256),
    "small": (4, 512),
    "base": (12, 768),
}
NOT_SCORED = -100  # the label that torch's loss leaves out


def main(case: Case, path: Path, words: list[str]) -> None:
    """Build the model and take turns."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    model = BertForPreTraining(make_config(case))
    model.train()
    loss = gathered_loss if "tuned" in words else whole_loss
    if "compiled" in words:
        loss = torch.compile(loss, dynamic=False)
    optimizer = torch.optim.AdamW(
        groups(model), lr=LEARNING_RATE, eps=1e-6, fused=True if "tuned" in words else None
    )
    batches = masked_batches(path, case, gathered="tuned" in words)

    def step() -> None:
        batch = next(batches)
        with torch.autocast("cpu", torch.bfloat16, enabled="bfloat16" in words):
            value = loss(model, batch)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    tokens = case.batch_size * case.max_seq_length
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    serve(step, lambda: None, tokens=tokens, **versions)


def make_config(case: Case) -> BertConfig:
    """Make the config of the size: BERT's dropout, SDPA by default."""
    layers, hidden = SHAPES[case.size]
    return BertConfig(
        vocab_size=VOCAB_SIZE,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
    )


def groups(model: torch.nn.Module) -> list[dict]:
    """Part the parameters into those that are decayed and the biases and LayerNorms."""
    decayed, kept = [], []
    for name, parameter in model.named_parameters():
        spared = name.endswith("bias") or "LayerNorm" in name
        (kept if spared else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": 0.01}, {"params": kept, "weight_decay": 0.0}]


def whole_loss(model: BertForPreTraining, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Have `transformers` compute the loss."""
    return model(**batch).loss


def gathered_loss(model: BertForPreTraining, batch: dict[str, torch.Tensor]) -> torch.Tensor:
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


def masked_batches(path: Path, case: Case, *, gathered: bool) -> Iterator[dict[str, torch.Tensor]]:
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
