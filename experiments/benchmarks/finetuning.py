"""Measure fine-tuning steps, ours beside `transformers` and torch, in turns.

    python -m experiments.benchmarks.finetuning CASE [CASE ...] --theirs=PYTHON \\
        --task=mrpc --data=glue/MRPC --tokenizer=vocab.txt \\
        --work=WORK --results=experiments/benchmarks/results/MACHINE

CASEs are those of `sizes.TASK_CASES`; all else is as in `pretraining`. Models are drawn at random,
since how fast they are does not depend on their parameters.
"""

from experiments.benchmarks import comparison
from experiments.benchmarks.assembled_task import finetuning_of, write_rows
from experiments.benchmarks.sizes import TASK_CASES

MODULES = (
    "experiments.benchmarks.ours_finetuning",
    "experiments.benchmarks.huggingface_finetuning",
)


def main() -> None:
    """Measure all cases asked for."""
    parser = comparison.parser((__doc__ or "").partition("\n")[0], tuple(TASK_CASES))
    parser.add_argument("--task", default="mrpc", help="of configs/finetune.py, with classes")
    parser.add_argument("--data", required=True, help="folder of the task's data")
    parser.add_argument("--tokenizer", required=True, help="folder, vocab.txt or .model")
    arguments = comparison.parse(parser)
    of_task = [arguments.task, arguments.data, arguments.tokenizer]

    def entered(name: str) -> comparison.Comparison:
        rows, case = arguments.work / f"{name}_{arguments.task}.npz", TASK_CASES[name]
        write_rows(rows, finetuning_of(case, *of_task))
        given = ([name, *of_task], [name, str(rows)])
        return comparison.enter(f"{name}_{arguments.task}", case, MODULES, given, arguments)

    comparison.compare(map(entered, arguments.cases), "rows", arguments)


if __name__ == "__main__":
    main()
