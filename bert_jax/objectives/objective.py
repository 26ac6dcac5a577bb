"""The hinge between a model and training: what a task has to say to be trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import Array, Float


class Ratio(NamedTuple):
    """A mean not yet divided, so that parts of a batch can be summed exactly first."""

    numerator: Float[Array, ""]
    denominator: Float[Array, ""]


Metrics = dict[str, Ratio]


@dataclass(frozen=True)
class Objective:
    """Three pure functions that training puts together.

    Attributes:
        examples: (batch, key) -> examples. What is drawn anew for each step (masks), for a whole
            batch at once, so that it does not depend on devices or accumulation.
        weights: examples -> the denominator of each loss term, known before any forward pass.
        loss: (params, examples, weights, key) -> (loss, metrics). `weights` are those of the
            whole batch, `examples` may be a part of it; the losses of the parts add up to the
            loss of the whole. A key of None means evaluation: no dropout.
    """

    examples: Callable[[Any, Array], Any]
    weights: Callable[[Any], Mapping[str, Array]]
    loss: Callable[[Any, Any, Mapping[str, Array], Array | None], tuple[Array, Metrics]]
