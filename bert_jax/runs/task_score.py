"""What a fine-tuning run came to: predictions for every split, and its score."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from bert_jax.runs.folder import RunFolder
from bert_jax.runs.task_assembly import Finetuning
from bert_jax.training.checkpoints import load_arrays
from bert_jax.training.sharding import placed
from bert_jax.training.state import nest
from bert_jax.whole import write_json, write_text

Scores = Mapping[str, list[np.ndarray]]  # by split, of each row


def score_run(
    finetuning: Finetuning, folder: RunFolder, seed: int, command: str, known: Scores
) -> dict[str, Any]:
    """Score the best model on every split, write predictions and score.json; return that.

    Args:
        finetuning: the task and the model.
        folder: the run's; the best model is in it.
        seed: the run's.
        command: what the user typed.
        known: by split, what that model has already said of each row.
    """
    splits = [split for split in finetuning.task.features if split != "train"]
    asked = [split for split in splits if split not in known]
    all_scores = {**known, **_ask(finetuning, folder, asked)}
    all_scores = {split: all_scores[split] for split in splits}
    task = finetuning.task.settled(all_scores[finetuning.task.selects_by])
    metrics: dict[str, float] = {}
    intervals: dict[str, list[float]] = {}
    examples: dict[str, int] = {}
    for split, scores in all_scores.items():
        examples[split] = len(task.features[split].input_ids)
        lines = [json.dumps(p, ensure_ascii=False) for p in task.predictions(split, scores)]
        path = folder.workdir / f"predictions_{split}.jsonl"
        write_text(path, "".join(f"{line}\n" for line in lines))
        for name, text in task.files(split, scores).items():
            write_text(folder.workdir / name, text)
        if split in task.scored_splits:
            prefix = "" if split == task.selects_by else f"{split}/"
            metrics |= {prefix + name: value for name, value in task.score(split, scores).items()}
            intervals[prefix + task.primary_metric] = list(task.interval(split, scores))
    score = {
        "task": task.name,
        "metrics": metrics,
        "intervals_95": intervals,
        "seeds": [seed],
        "examples": examples,
        "data_fingerprint": finetuning.data_fingerprint,
        "command": command,
    }
    write_json(folder.score, score)
    return score


def _ask(finetuning: Finetuning, folder: RunFolder, splits: Sequence[str]) -> Scores:
    """Read the best model, and run it over splits."""
    if not splits:
        return {}
    shardings = jax.tree.map(lambda leaf: leaf.sharding, finetuning.abstract_state.params)
    params = placed(nest(load_arrays(folder.checkpoints)), shardings)
    return {split: finetuning.scores(params, split) for split in splits}


def in_words(score: Mapping[str, Any]) -> str:
    """Say in a line what came out."""
    spreads = score.get("standard_errors", {})
    intervals = score.get("intervals_95", {})
    words = []
    for name, value in score["metrics"].items():
        spread = f" (standard error {spreads[name]:.4g})" if name in spreads else ""
        if name in intervals:
            spread = " (95% interval {:.4g} to {:.4g})".format(*intervals[name])
        words.append(f"{name} {value:.4g}{spread}")
    seeds = len(score.get("by_seed", score["seeds"]))  # one that failed may have no score
    return ", ".join(words) + (f"; means of {seeds} seeds" if seeds > 1 else "")
