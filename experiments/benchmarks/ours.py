"""A contestant: the pretraining step of this project, as `pretrain` runs it.

    python -m experiments.benchmarks.ours CASE DTYPE CORPUS [FIELD=VALUE ...]

CASE is a name in `sizes`, DTYPE float32 or bfloat16, CORPUS a prepared folder; FIELDs change the
config further. Rows come through the ordinary input path while it steps.
"""

import sys
from pathlib import Path

from bert_jax.process import settle


def main(case_name: str, dtype: str, corpus: Path, fields: list[str]) -> None:
    """Put the step together and take turns."""
    import jax
    import numpy as np

    from bert_jax.training.prefetch import prefetched
    from experiments.benchmarks.assembled import pretraining_of
    from experiments.benchmarks.turns import serve

    pretraining = pretraining_of(case_name, corpus, [f"compute_dtype={dtype}", *fields])
    phase = pretraining.plan.phases[0]
    stage = pretraining.stage(phase, pretraining.rows("train", phase))
    state = pretraining.initial_state(None)
    batches = prefetched(stage.batch, stage.start, stage.end)
    rate, largest = np.float32(pretraining.optimizer.learning_rate), np.float32(np.inf)

    def step() -> None:
        nonlocal state
        state, _, norms = stage.train_step(state, next(batches), rate, largest)
        np.asarray(norms)  # a run looks at them before it takes the next step

    about = {"jax": jax.__version__, "tokens": stage.tokens, "useful_tokens": stage.useful_tokens}
    serve(step, lambda: jax.block_until_ready(state), **about)


if __name__ == "__main__":
    settle()
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
