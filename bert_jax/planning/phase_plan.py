"""The plan of one phase of a run: its step compiled, weighed and timed."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from bert_jax.planning.compiling import Compiled, TooLarge, compile_step, counted_flops
from bert_jax.planning.formulae import Load, in_theory
from bert_jax.planning.largest import Largest, search
from bert_jax.planning.links import Transfer, transfers
from bert_jax.planning.memory import Memory, memory_of
from bert_jax.planning.roofline import Roofline
from bert_jax.planning.scaling import Scaled, scale
from bert_jax.planning.target import Target
from bert_jax.runs.pretraining_step import PretrainingStep
from bert_jax.training.flops import BACKWARD, products_of_row, recomputed_per_step
from bert_jax.training.parameters import count_parameters
from bert_jax.training.phases import Phase
from bert_jax.training.sharding import dimensions_of
from bert_jax.training.state import flatten


@dataclass(frozen=True)
class PhasePlan:
    """What a phase will take.

    Attributes:
        phase: which.
        memory: of a device.
        products: operations of a step's products by kind, forward and backward, all devices.
        recomputed: operations of products computed a second time.
        counted: operations that XLA counts.
        moved: bytes that a device reads and writes in a step, at the least.
        transfers: collectives of the compiled step; None where it was not compiled.
        theory: what they should be.
        roofline: of the step; None where it was not compiled.
        scaling: the same on other numbers of devices.
        largest: rows of a device that fit, where it was searched for.
        gathered_whole: warnings of XLA that it moves arrays whole.
    """

    phase: Phase
    memory: Memory
    products: dict[str, float]
    recomputed: float
    counted: float
    moved: float
    transfers: list[Transfer] | None
    theory: list[Transfer]
    roofline: Roofline | None
    scaling: list[Scaled]
    largest: Largest | None
    gathered_whole: int


def plan_phase(
    step: PretrainingStep,
    phase: Phase,
    target: Target,
    *,
    chips: Sequence[int],
    efficiency: float,
    largest_batch: bool,
) -> PhasePlan:
    """Compile the step of a phase and tell what it takes.

    Args:
        step: what is computed.
        phase: its shapes.
        target: the devices.
        chips: numbers of devices to predict for.
        efficiency: share of the peak that products reach.
        largest_batch: whether to search for the largest batch.
    """
    usable = target.chip.memory * target.chip.usable
    compiled, used = None, None
    try:
        compiled = compile_step(step, phase, target)
    except TooLarge as refused:
        used = refused.used
    memory = memory_of(step, phase, usable, compiled, used)
    products = {
        name: (1 + BACKWARD) * phase.batch_size * operations
        for name, operations in products_of_row(
            step.model, phase.row_length, step.predictions(phase), step.judged(phase)
        ).items()
    }
    recomputed = recomputed_per_step(step.model, step.execution, phase)
    devices, chip = step.sharding.mesh.size, target.chip
    load = load_of(step, phase, target.platform)
    theory = in_theory(step.sharding.mesh.shape, load, chip.domain)
    found, roofline, moved, scaling = None, None, 0.0, []
    if compiled:
        found = transfers(compiled.operations, devices, chip)
        moved = _moved(memory, compiled)
        peak = chip.peak(step.execution.compute_dtype)
        work = sum(products.values())
        roofline = Roofline(
            compute=(work + recomputed) / devices / peak / efficiency,
            memory=moved / chip.bandwidth,
            links=sum(transfer.seconds(chip) for transfer in found),
            useful=work / devices / peak,
        )
        scaling = scale(chips, step.sharding.mesh.shape, load, roofline, chip)
    return PhasePlan(
        phase,
        memory,
        products,
        recomputed,
        counted_flops(step, phase),
        moved,
        found,
        theory,
        roofline,
        scaling,
        _largest(step, phase, target, memory) if largest_batch else None,
        compiled.gathered_whole if compiled else 0,
    )


def load_of(step: PretrainingStep, phase: Phase, platform: str) -> Load:
    """Gather what theory has to know of a device's work."""
    params = flatten(step.abstract_state.params)
    rules = step.sharding.rules

    def whole(path: str) -> bool:
        names = dimensions_of(path) or ()
        return not any("tensor" in rules[name] for name in names)

    config = step.model
    beyond = 0 if phase.packed_length else config.max_position_embeddings - phase.row_length
    is_unmerged = config.tie_word_embeddings and platform == "cpu"
    return Load(
        step.model,
        count_parameters(step.abstract_state.params),
        sum(math.prod(leaf.shape) for path, leaf in params.items() if whole(path)),
        phase.batch_size / step.sharding.batch_devices,
        phase.row_length,
        step.predictions(phase),
        phase.gradient_accumulation,
        config.vocab_size * config.hidden_size if is_unmerged else 0,
        beyond * config.hidden_size,
    )


def _moved(memory: Memory, compiled: Compiled) -> float:
    """Bound the traffic of a device's memory from below.

    The state is read and written, the batch read, and what is temporary written and read once each;
    or what the compiler counts, if that is more. It counts the turns of a loop once.
    """
    assert memory.temporary is not None
    held = memory.parameters + memory.optimizer
    least = 2.0 * held + memory.batch + 2.0 * memory.temporary
    return max(least, compiled.bytes_accessed or 0.0)


def _largest(step: PretrainingStep, phase: Phase, target: Target, memory: Memory) -> Largest:
    """Search for the largest number of rows that a device takes in a part of a batch."""
    parts = phase.gradient_accumulation * step.sharding.batch_devices

    def refused(used: float | None) -> float:
        # The compiler knows of memory that it cannot give; what it refuses never fits.
        return math.inf if used is None else max(used, math.nextafter(memory.usable, math.inf))

    def need(rows: int) -> float:
        other = dataclasses.replace(phase, batch_size=rows * parts)
        if other.batch_size == phase.batch_size:
            known = memory.peak is not None and memory.temporary is not None
            return float(memory.peak or 0) if known else refused(memory.peak)
        try:
            return float(compile_step(step, other, target).peak)
        except TooLarge as error:
            return refused(error.used)

    return search(need, memory.usable, start=max(1, phase.batch_size // parts))
