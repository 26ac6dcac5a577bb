"""Fine-tune here and with `transformers` on the same rows, and keep scores and seconds of both.

    python -m experiments.finetuning.compare NAME [NAME ...] --theirs=PYTHON --weights=DIR \\
        --data=DIR --work=DIR --results=experiments/finetuning/results

NAMEs are those of `comparisons.COMPARISONS`, or `all`. PYTHON is the interpreter of an environment
with torch and transformers. A side that is finished is not run again. `--rows`, `--epochs` and
`--seeds` make everything smaller, to see that it runs. Exits with 1 where the two sides did not
train on the same.
"""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

from bert_jax.data.tokenizers import load_tokenizer
from bert_jax.runs.finetuning_config import RandomModel
from bert_jax.runs.starting_model import starting_model
from experiments.finetuning import ours
from experiments.finetuning.arguments import changed, make_parser
from experiments.finetuning.comparisons import COMPARISONS, Comparison
from experiments.finetuning.processes import run_once
from experiments.finetuning.same import compare_inputs, is_same
from experiments.finetuning.scores import score_predictions
from experiments.finetuning.sources import Subset
from experiments.finetuning.subsets import write_subset

CHINESE = Path("vocab") / "bert-base-chinese-vocab.txt"


def main(arguments: argparse.Namespace) -> int:
    """Make all comparisons asked for."""
    differing = []
    for name in COMPARISONS if arguments.names == ["all"] else arguments.names:
        record = compare(name, changed(COMPARISONS[name], arguments), arguments)
        path = arguments.results / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2) + "\n")
        print(f"{name}: {json.dumps(record['same'])}; see {path}", flush=True)
        differing += [] if record["is_same"] else [name]
    if differing:
        print(f"the sides did not train on the same: {', '.join(differing)}", file=sys.stderr)
    return 1 if differing else 0


def compare(name: str, comparison: Comparison, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run both sides, one after the other, and return the record."""
    work = arguments.work.resolve() / name
    start = starting_point(comparison, arguments, work)
    tokenizer = Path(start.get("random.tokenizer", start["init_from"]))
    rows = work / comparison.rows_folder
    subset = write_subset(name, comparison, arguments.data, tokenizer, rows)
    fields = ours.fields_of(comparison, subset, rows, start)
    values = ours.values_of(comparison.task, fields)
    settings = work / "settings.json"
    keep(settings, settings_of(comparison, subset, values, tokenizer))
    sides = {
        side: run_ours(comparison, subset, {**fields, **more}, work / side)
        for side, more in comparison.ours.items()
    }
    sides["theirs"] = run_theirs(comparison, subset, arguments.theirs, settings, work / "theirs")
    same = compare_inputs(values, work / "theirs")
    return {
        "comparison": dataclasses.asdict(comparison),
        "rows": {"train": len(subset.train), "validation": len(subset.validation)},
        "config": {part: values[part] for part in ("model", "optimizer", "train")},
        "cores": os.cpu_count(),
        "same": same,
        "is_same": is_same(same),
        "sides": sides,
    }


def run_ours(
    comparison: Comparison, subset: Subset, fields: ours.Fields, folder: Path
) -> dict[str, Any]:
    """Fine-tune here; return scores and seconds."""
    wall = ours.run(comparison.task, fields, folder)
    seeds = ours.folders_of(folder, comparison.seeds)
    return {
        "wall_seconds": wall,
        "training_seconds": {seed: sum(ours.training_seconds(f)) for seed, f in seeds.items()},
        "metrics": {seed: score_predictions(comparison, subset, f) for seed, f in seeds.items()},
        "versions": ours.versions(folder),
    }


def run_theirs(
    comparison: Comparison, subset: Subset, python: str, settings: Path, folder: Path
) -> dict[str, Any]:
    """Fine-tune with `transformers`; return scores and seconds."""
    module = "experiments.finetuning.huggingface_train"
    wall = run_once([python, "-m", module, str(settings), str(folder)], folder)
    ran = json.loads((folder / "run.json").read_text())
    seeds = {seed: folder / f"seed_{seed}" for seed in range(comparison.seeds)}
    return {
        "wall_seconds": wall,
        "training_seconds": ran["training_seconds"],
        "metrics": {seed: score_predictions(comparison, subset, f) for seed, f in seeds.items()},
        "versions": ran["versions"],
    }


def starting_point(
    comparison: Comparison, arguments: argparse.Namespace, work: Path
) -> dict[str, str]:
    """Say in our fields which model is begun with; a vocabulary is made a tokenizer's folder."""
    if not comparison.random_size:
        return {"init_from": str(arguments.weights.resolve())}
    tokenizer = work / "tokenizer"
    if not tokenizer.exists():
        load_tokenizer(arguments.data / CHINESE).save(tokenizer)
    size = comparison.random_size
    return {"init_from": "random", "random.size": size, "random.tokenizer": str(tokenizer)}


def settings_of(
    comparison: Comparison, subset: Subset, values: dict[str, Any], tokenizer: Path
) -> dict[str, Any]:
    """Gather what the other side is told: our whole config, and what it cannot know."""
    settings = {**values, "labels": subset.labels, "tokenizer": str(tokenizer)}
    if comparison.random_size:
        random = RandomModel(comparison.random_size, str(tokenizer))
        model, _ = starting_model("random", random)
        unknown = ("initializer", "normalization")  # these have no name there
        fields = vars(model.config).items()
        settings["architecture"] = {name: value for name, value in fields if name not in unknown}
    return settings


def keep(path: Path, settings: dict[str, Any]) -> None:
    """Store the settings, or check them against those that finished sides were run with."""
    text = json.dumps(settings, indent=2) + "\n"
    if path.exists() and path.read_text() != text:
        sys.exit(f"{path.parent}: holds sides with other settings; remove it or choose another")
    path.write_text(text)


def parse() -> argparse.Namespace:
    """Read the flags."""
    parser = make_parser(__doc__, "weights", "data", "work", "results")
    parser.add_argument("names", nargs="+", choices=[*COMPARISONS, "all"])
    parser.add_argument("--theirs", required=True, help="a Python with torch and transformers")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(parse()))
