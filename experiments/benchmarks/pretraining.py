"""Measure pretraining steps, ours beside `transformers` and torch, in turns.

    python -m experiments.benchmarks.pretraining CASE [CASE ...] --theirs=PYTHON --corpus=CORPUS \\
        --work=WORK --results=experiments/benchmarks/results/MACHINE

CASEs are those of `sizes.CASES`. PYTHON is the interpreter of an environment with torch and
transformers. CORPUS is a prepared folder. All contestants of a case are started, then take turns,
so that what else the machine does falls on all. Writes a JSON and a figure a case, and prints the
ratios.
"""

from pathlib import Path

from experiments.benchmarks import comparison
from experiments.benchmarks.assembled import write_batches
from experiments.benchmarks.sizes import CASES

MODULES = (
    "experiments.benchmarks.ours_pretraining",
    "experiments.benchmarks.huggingface_pretraining",
)


def main() -> None:
    """Measure all cases asked for."""
    parser = comparison.parser((__doc__ or "").partition("\n")[0], tuple(CASES))
    parser.add_argument("--corpus", required=True, type=Path, help="a prepared folder")
    arguments = comparison.parse(parser)
    for name in arguments.cases:
        batches = arguments.work / f"{name}.npz"
        write_batches(batches, name, arguments.corpus)
        given = ([name, str(arguments.corpus)], [name, str(batches)])
        comparison.compare(name, CASES[name], "tokens", MODULES, given, arguments)


if __name__ == "__main__":
    main()
