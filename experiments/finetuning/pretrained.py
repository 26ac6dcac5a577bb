"""Fine-tune a pretraining run of ours, and beside it the same model with parameters drawn anew.

    python -m experiments.finetuning.pretrained RUN [NAME ...] --data=DIR --work=DIR \\
        --results=experiments/finetuning/results

NAMEs are tasks, by default all; the record keeps what it has of others. RUN is the folder of a
pretraining run, whose architecture and tokenizer both have. Every seed of the random model has
parameters of its own. What is finished is not run again.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.interop.published import Published
from bert_jax.runs.models import CHECKPOINTS, complete, read_model, read_tokenizer, write_model
from experiments.finetuning import ours
from experiments.finetuning.arguments import changed, make_parser
from experiments.finetuning.comparisons import COMPARISONS, Comparison
from experiments.finetuning.scores import score_predictions
from experiments.finetuning.subsets import write_subset

NAMES = ("sst2", "mrpc", "qnli")
EPOCHS, LEARNING_RATE = 3, 1e-4  # what the paper's authors advise for small models


def main(arguments: argparse.Namespace) -> None:
    """Fine-tune from both on every task, and write the record."""
    model = read_model(arguments.run)
    tokenizer = read_tokenizer(model)
    record: dict[str, Any] = {"model": dataclasses.asdict(model.config), "tasks": {}}
    path = arguments.results / f"{arguments.record}.json"
    if path.exists():
        record["tasks"] |= json.loads(path.read_text())["tasks"]
    for name in arguments.names:
        comparison = changed(
            COMPARISONS[name], arguments, epochs=EPOCHS, learning_rate=arguments.learning_rate
        )
        record["tasks"][name] = compare(name, comparison, model, tokenizer, arguments)
    arguments.results.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")


def compare(
    name: str,
    comparison: Comparison,
    model: Published,
    tokenizer: Tokenizer,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Fine-tune from both on one task; return the scores of each seed."""
    work, run = arguments.work.resolve() / name, arguments.run.resolve()
    rows = work / comparison.rows_folder
    subset = write_subset(name, comparison, arguments.data, run, rows)
    fields = ours.fields_of(comparison, subset, rows, {"init_from": str(run)})
    ours.run(comparison.task, fields, work / "pretrained")
    folders = {"pretrained": ours.folders_of(work / "pretrained", comparison.seeds), "random": {}}
    for seed in range(comparison.seeds):
        drawn, folder = work / f"drawn_{seed}", work / f"random_{seed}"
        write_drawn(drawn, model, tokenizer, seed)
        one = {"init_from": str(drawn), "seed": seed, "num_seeds": 1}
        ours.run(comparison.task, {**fields, **one}, folder)
        folders["random"][seed] = folder
    scores = {
        side: {"metrics": {i: score_predictions(comparison, subset, f) for i, f in found.items()}}
        for side, found in folders.items()
    }
    counts = {"train": len(subset.train), "validation": len(subset.validation)}
    return {"comparison": dataclasses.asdict(comparison), "rows": counts, **scores}


def write_drawn(directory: Path, model: Published, tokenizer: Tokenizer, seed: int) -> None:
    """Write a model of the same architecture with parameters drawn from a seed, if it is not."""
    if (directory / CHECKPOINTS).exists():  # written last
        return
    encoder = dataclasses.replace(model, kind="encoder", labels=(), arrays={}, unused=())
    directory.mkdir(parents=True, exist_ok=True)
    write_model(directory, encoder, complete(encoder, seed).params, tokenizer)


def parse() -> argparse.Namespace:
    """Read the flags."""
    parser = make_parser(__doc__, "data", "work", "results")
    parser.add_argument("run", type=Path)
    parser.add_argument("names", nargs="*", default=NAMES, help=", ".join(NAMES))
    parser.add_argument("--record", default="pretrained", help="name of the record")
    parser.add_argument("--learning_rate", type=float, default=LEARNING_RATE, help="of both")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"no task here: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return arguments


if __name__ == "__main__":
    main(parse())
