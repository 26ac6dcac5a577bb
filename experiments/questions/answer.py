"""Answer a question about pretraining: run its arms, fine-tune what comes of them, draw and count.

    python -m experiments.questions.answer experiments/<date>_<name> --corpora=CORPORA \\
        --data=DATA --work=WORK [--jobs=1]

The folder's `question.py` has ARMS, names with what each overrides in `small_bert.py`; SEEDS; and
TASKS to fine-tune on, names of `experiments.finetuning.comparisons`. CORPORA is a folder of
prepared corpora, DATA that of the tasks. Both steps are sweeps, so what is finished is not run
again. Writes `results.csv`, `curves.csv` and `figure.png` into the folder, and prints the table of
its README.
"""

import argparse
import dataclasses
import importlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bert_jax.report.sweep.folder import read_sweep
from bert_jax.report.sweep.trial import Trial
from experiments.finetuning import ours
from experiments.finetuning.comparisons import COMPARISONS
from experiments.finetuning.scores import score_predictions
from experiments.finetuning.subsets import write_subset
from experiments.questions.outcome import Outcome, draw, table, write

CONFIG = "experiments/questions/small_bert.py"
# What was pretrained at a high rate wants one in fine-tuning; it has only seen rows of 32 tokens.
FINETUNING = {"epochs": 3, "learning_rate": 1e-3, "max_seq_length": 64}

Key = tuple[str, int]  # arm and seed


def main(arguments: argparse.Namespace) -> None:
    """Run what is not finished yet, and write the answer's files."""
    folder = arguments.question
    question = importlib.import_module(".".join((*folder.parts, "question")))
    work = arguments.work.absolute() / folder.name
    arms = {
        (arm, seed): {"data.path": "enwiki8k", **fields, "seed": seed}
        for arm, fields in question.ARMS.items()
        for seed in question.SEEDS
    }
    for fields in arms.values():
        fields["data.path"] = str(arguments.corpora.absolute() / fields["data.path"])
    trials = sweep("pretrain", CONFIG, arms, work / "pretrain", arguments.jobs)
    outcomes = {key: Outcome(*key, trial) for key, trial in trials.items()}
    for task in question.TASKS:
        models = {key: str(work / "pretrain" / trial.name) for key, trial in trials.items()}
        for key, score in finetuned(task, models, work, arguments).items():
            outcomes[key].scores[task] = score
    found = list(outcomes.values())
    write(found, folder)
    draw(found, folder / "figure.png")
    print(table(found))


def finetuned(
    task: str, models: Mapping[Key, str], work: Path, arguments: argparse.Namespace
) -> dict[Key, float]:
    """Fine-tune each model on a task, with the seed that it was pretrained with."""
    comparison = dataclasses.replace(COMPARISONS[task], seeds=1, **FINETUNING)
    rows = arguments.work.absolute() / "rows" / task
    subset = write_subset(task, comparison, arguments.data, Path(), rows)
    common = ours.fields_of(comparison, subset, rows, {})
    runs = {key: {**common, "init_from": model, "seed": key[1]} for key, model in models.items()}
    config = f"configs/finetune.py:{comparison.task},cpu"
    trials = sweep("finetune", config, runs, work / task, arguments.jobs)
    scores = {
        key: score_predictions(comparison, subset, work / task / trial.name)
        for key, trial in trials.items()
    }
    return {key: found[comparison.metrics[0]] / 100 for key, found in scores.items()}


def sweep(
    verb: str, config: str, runs: Mapping[Key, Mapping[str, Any]], folder: Path, jobs: int
) -> dict[Key, Trial]:
    """Run a sweep; return what became of each run.

    Raises:
        SystemExit: one of them failed, or was stopped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder.with_suffix(".py")
    file.write_text(f"def sweep():\n    yield from {list(runs.values())!r}\n")
    words = [f"--verb={verb}", f"--config={config}", f"--sweep={file}", f"--workdir={folder}"]
    command = [sys.executable, "-m", "bert_jax.sweep", *words, f"--jobs={jobs}"]
    if status := subprocess.run(command).returncode:
        sys.exit(status)
    trials = read_sweep(folder).trials
    return {
        key: next(t for t in trials if t.overrides == json.loads(json.dumps(fields)))
        for key, fields in runs.items()
    }


def parse() -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("question", type=Path, help="experiments/<date>_<name>")
    for name in ("corpora", "data", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())
