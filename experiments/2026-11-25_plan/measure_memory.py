"""Compare the memory that a plan predicts with what training takes here, on a CPU.

    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python -m experiments.2026-11-25_plan.measure_memory \
        CORPUS tiny 32

Measured: the most that the process has resident (VmHWM, set back right before) over steps of real
batches, handed out as the loop of a run does, less what it has resident right before, with its
state, and plus the bytes of that state. So what drawing the first parameters left behind (20 to 35
MB of code and of pages not yet given back) is no part of it, and what the first step brings in is.
"""

import ctypes
import sys
from pathlib import Path

import jax
import numpy as np

from bert_jax import cli
from bert_jax.data.shards import open_corpus
from bert_jax.planning.compiling import compile_step
from bert_jax.planning.this_machine import here
from bert_jax.runs.pretraining import assemble
from bert_jax.runs.pretraining_config import PretrainConfig
from configs import pretrain

STEPS = 8


def main(corpus: str, size: str, batch_size: int, fields: list[str]) -> None:
    """Print the prediction, the measurement and their ratio."""
    config = pretrain.get_config(f"{size},cpu")
    config.data.path, config.train.batch_size = corpus, batch_size
    for field in fields:
        name, value = field.split("=")
        config.update_from_flattened_dict({name: int(value) if value.isdigit() else value})
    pretraining = assemble(
        cli.build(PretrainConfig, config.to_dict(), "config"), open_corpus(corpus)
    )
    phase = pretraining.plan.phases[0]
    predicted = compile_step(pretraining, phase, here("here", config.compute_dtype))
    stage = pretraining.stage(phase, pretraining.rows("train", phase))
    # The one run compiles it from the cache, so that no compiler is at work while it is watched.
    rate, most = np.float32(1e-4), np.float32(np.inf)
    batches = [stage.batch(step) for step in range(STEPS)]
    step = stage.train_step.lower(pretraining.abstract_state, batches[0], rate, most).compile()
    state = pretraining.initial_state(None)
    jax.block_until_ready(state)
    held = sum(array.nbytes for array in jax.tree.leaves(state))
    give_back()
    without = resident("VmRSS") - held
    Path("/proc/self/clear_refs").write_text("5")
    pending = None
    for batch in batches:
        state, metrics, _ = step(state, batch, rate, most)
        if pending is not None:
            jax.device_get(pending)  # one step late, as the loop does
        pending = metrics
    jax.block_until_ready(state)
    measured = resident("VmHWM") - without
    print(
        f"{size} {batch_size} {' '.join(fields)}: predicted {predicted.peak / 1e6:.1f} MB "
        f"(temporary {predicted.temporary / 1e6:.1f}), measured {measured / 1e6:.1f}, "
        f"{predicted.peak / measured:.3f} of it; the process without {without / 1e6:.1f}"
    )


def give_back() -> None:
    """Have the allocator return what it holds without need."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)


def resident(name: str) -> int:
    """Read a figure of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
