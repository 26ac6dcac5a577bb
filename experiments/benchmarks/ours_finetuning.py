"""A contestant: the fine-tuning step of this project, as `finetune` runs it.

    python -m experiments.benchmarks.ours_finetuning CASE DTYPE TASK DATA TOKENIZER

CASE is a name in `sizes.TASK_CASES`, DTYPE float32 or bfloat16, TASK one of `configs/finetune.py`
that has classes.
"""

import sys

from bert_jax.process import settle


def main(case_name: str, dtype: str, task: str, data: str, tokenizer: str) -> None:
    """Put the step together and take turns."""
    import jax

    from experiments.benchmarks.assembled_task import FinetuneStepping, finetuning_of
    from experiments.benchmarks.sizes import TASK_CASES
    from experiments.benchmarks.turns import serve

    case = TASK_CASES[case_name]
    steps = FinetuneStepping(finetuning_of(case, task, data, tokenizer, compute_dtype=dtype))
    serve(
        lambda: steps.take(next(steps.batches)),
        lambda: jax.block_until_ready(steps.state),
        rows=case.batch_size,
        jax=jax.__version__,
    )


if __name__ == "__main__":
    settle()
    main(*sys.argv[1:])
