"""The training step of pretraining, lowered and compiled from shapes alone, and what that tells."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from bert_jax.errors import ConfigError
from bert_jax.planning.captured import captured
from bert_jax.planning.target import Target
from bert_jax.runs.pretraining_step import PretrainingStep
from bert_jax.training.collectives import Operation, operations
from bert_jax.training.phases import Phase
from bert_jax.training.sharding import MeshConfig, Sharding, make_mesh

# "Used 20.53G of 15.75G hbm", as the compiler of TPUs says of a program that is too large.
_USED = re.compile(r"[Uu]sed ([\d.]+)([KMGT]?) of ([\d.]+)([KMGT]?) hbm")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_GATHERED = "nvoluntary full rematerialization"


class TooLarge(Exception):
    """The compiler refused a program for its memory.

    Attributes:
        used: bytes it would take on a device, where the compiler tells.
    """

    def __init__(self, used: float | None) -> None:
        super().__init__(used)
        self.used = used


@dataclass(frozen=True)
class Compiled:
    """What a compiled step says of itself, on one device.

    Attributes:
        arguments: bytes it is given: the state and the batch.
        outputs: bytes it returns.
        aliased: bytes of its results that take the place of arguments.
        temporary: bytes it needs meanwhile.
        code: bytes of the program on the device.
        peak: bytes at most at a time.
        bytes_accessed: that its kernels read and write, loops counted once; None if not told.
        operations: its collectives.
        gathered_whole: warnings of XLA that it moves an array whole to cut it anew.
    """

    arguments: int
    outputs: int
    aliased: int
    temporary: int
    code: int
    peak: int
    bytes_accessed: float | None
    operations: tuple[Operation, ...]
    gathered_whole: int


def compile_step(step: PretrainingStep, phase: Phase, target: Target) -> Compiled:
    """Compile the step of a phase.

    Raises:
        ConfigError: the compiler lacks a library that the config asks for.
        TooLarge: the compiler says that it does not fit.
    """
    with captured() as said:
        try:
            compiled = _lower(step, phase).compile(compiler_options=target.compiler_options)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            raise TooLarge(_used(str(error))) from error
        except RuntimeError as error:
            if "cuDNN not found" not in str(error):
                raise
            raise ConfigError(
                "config.attention='fused': JAX asks cuDNN for its version, and there is none; "
                "pip install nvidia-cudnn-cu12, or plan with config.attention=plain"
            ) from error
    memory, text = compiled.memory_analysis(), compiled.as_text()
    assert memory is not None and text is not None  # every backend of a plan tells both
    sizes = {
        name: getattr(memory, f"{field}_size_in_bytes")
        for name, field in (
            ("arguments", "argument"),
            ("outputs", "output"),
            ("aliased", "alias"),
            ("temporary", "temp"),
            ("code", "generated_code"),
        )
    }
    # On a CPU the peak that is told leaves out what is temporary.
    together = sizes["arguments"] + sizes["outputs"] - sizes["aliased"] + sizes["temporary"]
    costs = compiled.cost_analysis() or {}
    return Compiled(
        **sizes,
        peak=max(memory.peak_memory_in_bytes, together + sizes["code"]),
        bytes_accessed=costs.get("bytes accessed"),
        operations=tuple(operations(text)),
        gathered_whole=said().count(_GATHERED),
    )


def counted_flops(step: PretrainingStep, phase: Phase) -> float:
    """Have XLA count the operations of a step, elementwise ones too.

    It counts a loop once, what is computed again twice and kernels not at all, so the step is
    lowered for one device with its layers one after the other, in one part, nothing computed again
    and no fused attention.
    """
    one = MeshConfig(**{field.name: 1 for field in dataclasses.fields(MeshConfig)})
    alone = dataclasses.replace(
        step,
        predictions_at_once=0,
        execution=dataclasses.replace(
            step.execution, scan_layers=False, rematerialize="none", attention="plain"
        ),
        sharding=Sharding(make_mesh(one, jax.devices("cpu")[:1]), step.sharding.rules),
    )
    whole = dataclasses.replace(phase, gradient_accumulation=1)
    costs: Any = _lower(alone, whole).cost_analysis()
    return float(costs["flops"])


def _lower(step: PretrainingStep, phase: Phase) -> jax.stages.Lowered:
    scalar = jax.ShapeDtypeStruct((), np.float32, sharding=step.sharding.replicated)
    return step.train_step(phase).lower(
        step.abstract_state, step.abstract_batch(phase), scalar, scalar
    )


def _used(message: str) -> float | None:
    match = _USED.search(message)
    return float(match[1]) * _UNITS[match[2]] if match else None
