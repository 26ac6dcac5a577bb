"""Fine-tune with a plain loop around `transformers`, on the rows and by the numbers of ours.

Needs torch and transformers, which this project does not use: run it in an environment of its own.
SETTINGS is what compare wrote: our config as JSON, and beside it the labels and, for a model drawn
at random, the architecture. Writes the rows as they were encoded, what ran, and for each seed its
predictions.

    python -m experiments.finetuning.huggingface_train SETTINGS.json OUT
"""

import json
import math
import sys
import time
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, BertConfig, get_linear_schedule_with_warmup

from experiments.finetuning.huggingface_rows import NOT_SCORED, SPLITS, TASKS

THREADS = 2
PADDING = {"token_type_ids": 0, "attention_mask": 0, "labels": NOT_SCORED}


def main(settings: dict, out: Path) -> None:
    """Train and score from every seed."""
    torch.set_num_threads(THREADS)
    # Texts that hold "[MASK]" or the like are text, as on our side.
    tokenizer = AutoTokenizer.from_pretrained(settings["tokenizer"], split_special_tokens=True)
    train, dev = (TASKS[settings["task"]](settings, split, tokenizer) for split in SPLITS)
    out.mkdir(parents=True)
    (out / "rows.json").write_text(json.dumps({"train": train.rows, "validation": dev.rows}))
    rates, seconds = [], {}
    for seed in range(settings["num_seeds"]):
        torch.manual_seed(seed)
        model = make_model(train.model, settings)
        begun = time.perf_counter()
        rates = fine_tune(model, train.rows, settings, tokenizer.pad_token_id, seed)
        seconds[seed] = time.perf_counter() - begun
        scores = predict(model, dev.rows, settings, tokenizer.pad_token_id)
        folder = out / f"seed_{seed}"
        folder.mkdir()
        lines = [json.dumps(line) for line in dev.predictions(scores)]
        (folder / "predictions_validation.jsonl").write_text("".join(f"{x}\n" for x in lines))
        print(f"seed {seed}: {len(rates)} steps, {seconds[seed]:.1f} s", flush=True)
    ran = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "learning_rates": rates,
        "training_seconds": seconds,
    }
    (out / "run.json").write_text(json.dumps(ran))


def make_model(kind, settings: dict) -> torch.nn.Module:
    """Load the weights, or draw all of them; the head is drawn by `transformers` in both cases."""
    changed = {**settings["model"], "num_labels": len(settings["labels"]) or 2}
    if settings["init_from"] == "random":
        return kind.from_config(BertConfig(**settings["architecture"] | changed))
    return kind.from_pretrained(settings["init_from"], dtype=torch.float32, **changed)


def fine_tune(model, rows: list[dict], settings: dict, pad_id: int, seed: int) -> list[float]:
    """Train; return the learning rate of each step."""
    numbers = settings["optimizer"]
    batches = DataLoader(
        rows,
        settings["train"]["batch_size"],
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
        collate_fn=lambda chosen: padded(chosen, pad_id),
    )
    steps = math.ceil(settings["train"]["epochs"] * len(batches))
    optimizer = torch.optim.AdamW(
        parameter_groups(model, numbers["weight_decay"]),
        lr=numbers["learning_rate"],
        betas=(numbers["beta1"], numbers["beta2"]),
        eps=numbers["epsilon"],
    )
    schedule = get_linear_schedule_with_warmup(
        optimizer, round(numbers["warmup_share"] * steps), steps
    )
    rates = []
    model.train()
    for batch in islice(chain.from_iterable(repeat(batches)), steps):
        rates.append(schedule.get_last_lr()[0])
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), numbers["clip_norm"])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return rates


def parameter_groups(model, weight_decay: float) -> list[dict]:
    """Part the parameters into those that are decayed and the biases and LayerNorms."""
    decayed, kept = [], []
    for name, parameter in model.named_parameters():
        spared = name.endswith(".bias") or "LayerNorm" in name
        (kept if spared else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]


def predict(model, rows: list[dict], settings: dict, pad_id: int) -> list[np.ndarray]:
    """Give the scores of each row: of a class [C], of a token [T, C], of both ends [T, 2]."""
    size = settings["train"]["eval_batch_size"]
    model.eval()
    found = []
    with torch.no_grad():
        for first in range(0, len(rows), size):
            chosen = rows[first : first + size]
            output = model(**padded(chosen, pad_id))
            if "logits" in output:
                scores = output.logits.numpy()
            else:
                scores = torch.stack([output.start_logits, output.end_logits], dim=2).numpy()
            for row, of_row in zip(chosen, scores, strict=True):
                of_tokens = scores.ndim == 3
                found.append(of_row[: len(row["input_ids"])] if of_tokens else of_row)
    return found


def padded(rows: list[dict], pad_id: int) -> dict[str, torch.Tensor]:
    """Make a batch, as long as its longest row."""
    longest = max(len(row["input_ids"]) for row in rows)
    fillers = PADDING | {"input_ids": pad_id}

    def filled(name: str, value: list[int] | int) -> list[int] | int:
        if isinstance(value, int):
            return value
        return value + [fillers[name]] * (longest - len(value))

    return {name: torch.tensor([filled(name, row[name]) for row in rows]) for name in rows[0]}


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
