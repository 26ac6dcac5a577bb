"""Fine-tune the head alone beside all of the model: seconds an epoch, and what did not move.

    python -m experiments.finetuning.frozen --weights=DIR --data=DIR --work=DIR \\
        --results=experiments/finetuning/results

Exits with 1 where the encoder of the finished model is not, bit for bit, the one that was begun
with.
"""

import argparse
import dataclasses
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

from bert_jax.runs.models import read_model
from experiments.finetuning import ours
from experiments.finetuning.arguments import changed, make_parser
from experiments.finetuning.comparisons import COMPARISONS
from experiments.finetuning.scores import score_predictions
from experiments.finetuning.subsets import write_subset

NAME, EPOCHS = "sst2", 3
ENCODER = ("bert/embeddings/", "bert/encoder/")  # the pooler belongs to what moves


def main(arguments: argparse.Namespace) -> int:
    """Run both, and write the record."""
    comparison = changed(COMPARISONS[NAME], arguments, epochs=EPOCHS)
    comparison = dataclasses.replace(comparison, seeds=1)
    work, weights = arguments.work.resolve() / "frozen", arguments.weights.resolve()
    rows = work / comparison.rows_folder
    subset = write_subset(NAME, comparison, arguments.data, weights, rows)
    fields = ours.fields_of(comparison, subset, rows, {"init_from": str(weights)})
    fields["train.log_every"] = math.ceil(len(subset.train) / comparison.batch_size)
    sides: dict[str, Any] = {}
    for what in ("all", "head"):
        folder = work / what
        ours.run(comparison.task, {**fields, "train.what": what}, folder)
        _, *later = ours.training_seconds(folder)  # the first epoch has the compilation
        sides[what] = {
            "seconds_an_epoch": statistics.median(later),
            "metrics": {0: score_predictions(comparison, subset, folder)},
            **unmoved(weights, folder),
        }
    record = {"comparison": dataclasses.asdict(comparison), "sides": sides}
    arguments.results.mkdir(parents=True, exist_ok=True)
    (arguments.results / "frozen.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(sides))
    frozen = sides["head"]
    return 0 if frozen["bit_identical"] == frozen["encoder_arrays"] else 1


def unmoved(start: Path, end: Path) -> dict[str, int]:
    """Count the encoder's arrays, and those that are the same bits at the start and at the end."""
    before, after = read_model(start).arrays, read_model(end).arrays
    encoder = [path for path in before if path.startswith(ENCODER)]
    same = [path for path in encoder if before[path].tobytes() == after[path].tobytes()]
    return {"encoder_arrays": len(encoder), "bit_identical": len(same)}


if __name__ == "__main__":
    parser = make_parser(__doc__, "weights", "data", "work", "results")
    sys.exit(main(parser.parse_args()))
