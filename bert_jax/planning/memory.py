"""What lies in a device's memory during a step: our sums beside what the compiler says."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from bert_jax.planning.compiling import Compiled
from bert_jax.runs.pretraining_step import PretrainingStep
from bert_jax.training.phases import Phase

_KEY = 8  # bytes of a key's data


@dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    Attributes:
        parameters: sum of ours, from shapes and shardings.
        optimizer: sum of ours.
        gradients: sum of ours; they are temporary, and lie there whole at the end of a step.
        batch: sum of ours.
        temporary: the compiler's: gradients, activations and whatever else comes and goes in a
            step; None where it refused the program.
        peak: the compiler's; None where it refused the program without telling.
        usable: what a program may take.
    """

    parameters: int
    optimizer: int
    gradients: int
    batch: int
    temporary: int | None
    peak: float | None
    usable: float

    @property
    def fits(self) -> bool:
        """Whether a step fits."""
        return self.temporary is not None and self.peak is not None and self.peak <= self.usable

    @property
    def activations(self) -> int | None:
        """What is temporary beside the gradients, at the least."""
        return None if self.temporary is None else max(0, self.temporary - self.gradients)


def memory_of(
    step: PretrainingStep,
    phase: Phase,
    usable: float,
    compiled: Compiled | None,
    used: float | None = None,
) -> Memory:
    """Add up what a step holds.

    Args:
        step: the step.
        phase: its phase.
        usable: bytes that a program may take on a device.
        compiled: the compiled step; None where the compiler refused it.
        used: bytes that the compiler says a refused one would take.
    """
    state = step.abstract_state
    parameters = bytes_on_a_device(state.params)
    return Memory(
        parameters,
        bytes_on_a_device(state.opt_state),
        parameters,
        bytes_on_a_device(step.abstract_batch(phase)),
        compiled.temporary if compiled else None,
        compiled.peak if compiled else used,
        usable,
    )


def bytes_on_a_device(tree: Any) -> int:
    """Add up the parts of abstract arrays that one device holds."""
    return sum(_bytes(leaf) for leaf in jax.tree.leaves(tree))


def _bytes(leaf: jax.ShapeDtypeStruct) -> int:
    assert leaf.sharding is not None
    numbers = math.prod(leaf.sharding.shard_shape(leaf.shape))
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return numbers * (_KEY if is_key else leaf.dtype.itemsize)
