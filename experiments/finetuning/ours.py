"""Our side: the fields that a comparison sets, the run, and what its folder says."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bert_jax import cli
from bert_jax.runs.finetuning_config import FinetuneConfig
from configs import finetune
from experiments.finetuning.comparisons import Comparison
from experiments.finetuning.processes import run_once
from experiments.finetuning.sources import Subset

Fields = Mapping[str, Any]  # of a config, by their dotted names


def fields_of(comparison: Comparison, subset: Subset, rows: Path, start: Fields) -> dict[str, Any]:
    """Gather what a comparison changes in `configs/finetune.py`.

    Args:
        comparison: the line.
        subset: what was written.
        rows: the folder it was written to.
        start: the fields that say which model to begin with.
    """
    fields = {
        "data.path": str(rows),
        "num_seeds": comparison.seeds,
        "optimizer.learning_rate": comparison.learning_rate,
        "train.epochs": float(comparison.epochs),
        "train.batch_size": comparison.batch_size,
        "train.max_seq_length": comparison.max_seq_length,
        "train.evaluations": 1,  # so that the last model is scored, not the best of several
        **start,
    }
    if comparison.task == "own":
        fields["data.labels"] = subset.labels
        if subset.train[0].text_pair is not None:
            fields["data.pair_column"] = "text_pair"
    return fields


def values_of(task: str, fields: Fields) -> dict[str, Any]:
    """Return the whole config that these fields make."""
    config = finetune.get_config(f"{task},cpu")
    config.update_from_flattened_dict(dict(fields))
    return config.to_dict()


def build(values: Mapping[str, Any]) -> FinetuneConfig:
    """Return the config as the run has it."""
    return cli.build(FinetuneConfig, values, "config")


def run(task: str, fields: Fields, workdir: Path) -> float:
    """Fine-tune in a process; return its seconds."""
    flags = [
        f"--config.{name}={value if isinstance(value, str) else repr(value)}"
        for name, value in fields.items()
    ]
    config = f"--config=configs/finetune.py:{task},cpu"
    command = [sys.executable, "-m", "bert_jax.finetune", config, *flags, f"--workdir={workdir}"]
    return run_once(command, workdir)


def folders_of(workdir: Path, seeds: int) -> dict[int, Path]:
    """Name the folder of each seed."""
    if seeds == 1:
        return {0: workdir}
    return {seed: workdir / f"seed_{seed}" for seed in range(seeds)}


def training_seconds(folder: Path) -> list[float]:
    """Return the seconds of the steps up to each logged line; the first has the compilation.

    Evaluations, checkpoints and reading the data are not in it.
    """
    batch_size = json.loads((folder / "config.json").read_text())["train"]["batch_size"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    seconds, before = [], 0
    for line in lines:
        if line["split"] == "train":
            steps, before = line["step"] - before, line["step"]
            seconds.append(steps * batch_size / line["sequences_per_second"])
    return seconds


def versions(workdir: Path) -> dict[str, str]:
    """Return the versions of the packages that the run used."""
    return json.loads((workdir / "run.json").read_text())["versions"]
