"""What the loop is given: a stretch of steps, what is looked at beside them, and how often."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bert_jax.training.step import TrainStep


@dataclass(frozen=True)
class Intervals:
    """How often things happen, in steps, counted from step 0; all are positive."""

    log: int
    evaluate: int
    checkpoint: int
    skipped_limit: int


@dataclass(frozen=True)
class Stage:
    """What the loop runs in one phase.

    Attributes:
        start: first step.
        end: step after the last.
        train_step: jitted, donates its state.
        batch: from a step number to that step's batch, on the devices.
        rows: from a step number to the numbers of the rows that its batch is made of.
        shardings: where each array of the state has to lie.
        sequences: sequences a step, on average.
        tokens: tokens a step, padding included.
        flops: model FLOPs a step.
        evaluation: what to evaluate; None where there is nothing held out.
        useful_tokens: tokens a step, padding left out, on average; None where it is not known.
        probe: what else the model is asked; None: nothing.
    """

    start: int
    end: int
    train_step: TrainStep
    batch: Callable[[int], Any]
    rows: Callable[[int], NDArray[np.int64]]
    shardings: Any
    sequences: float
    tokens: int
    flops: float
    evaluation: "Evaluation | None"
    useful_tokens: float | None = None
    probe: "Probe | None" = None


@dataclass(frozen=True)
class Evaluation:
    """What is looked at when the loop stops to evaluate.

    Attributes:
        metrics: from parameters to held-out metrics.
        samples: from parameters to the words predicted in fixed sentences.
        follow: from a step, parameters and held-out metrics to what the user should be told.
        enough: tells after an evaluation that no more steps are worth it.
    """

    metrics: Callable[[Any], dict[str, float]]
    samples: Callable[[Any], list[dict[str, Any]]]
    follow: Callable[[int, Any, Mapping[str, float]], Sequence[str]]
    enough: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Probe:
    """A question put to the model that needs no held-out text.

    Attributes:
        every: steps; it is put after the last one too.
        metrics: from parameters to what came of it.
    """

    every: int
    metrics: Callable[[Any], dict[str, float]]
