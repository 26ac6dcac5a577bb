"""A contestant: the pretraining step of this project, as `pretrain` runs it.

    python -m experiments.benchmarks.ours_pretraining CASE DTYPE CORPUS [FIELD=VALUE ...]

CASE is a name in `sizes`, DTYPE float32 or bfloat16, CORPUS a prepared folder; FIELDs change the
config further. Rows come through the ordinary input path while it steps.
"""

import sys
from pathlib import Path

from bert_jax.process import settle


def main(case_name: str, dtype: str, corpus: Path, fields: list[str]) -> None:
    """Put the step together and take turns."""
    import jax

    from experiments.benchmarks.assembled import Stepping, pretraining_of
    from experiments.benchmarks.turns import serve

    steps = Stepping(pretraining_of(case_name, corpus, [f"compute_dtype={dtype}", *fields]))
    stage = steps.stage
    device = jax.devices()[0]

    def peak() -> int:
        return device.memory_stats()["peak_bytes_in_use"]

    serve(
        lambda: steps.take(next(steps.batches)),
        lambda: jax.block_until_ready(steps.state),
        None if device.platform == "cpu" else peak,
        jax=jax.__version__,
        device=device.device_kind,
        tokens=stage.tokens,
        useful_tokens=stage.useful_tokens,
        flops=stage.flops,
    )


if __name__ == "__main__":
    settle()
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
