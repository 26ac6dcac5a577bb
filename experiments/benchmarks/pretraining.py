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
    parser.add_argument("--field", action="append", default=[], help="name=value of our config")
    arguments = comparison.parse(parser)

    def entered(name: str) -> comparison.Comparison:
        batches = arguments.work / f"{name}.npz"
        write_batches(batches, name, arguments.corpus)
        given = ([name, str(arguments.corpus), *arguments.field], [name, str(batches)])
        return comparison.enter(name, CASES[name], MODULES, given, arguments)

    comparison.compare(map(entered, arguments.cases), "tokens", arguments)


if __name__ == "__main__":
    main()
