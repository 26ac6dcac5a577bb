"""What a training step carries from one step to the next."""

from dataclasses import dataclass
from typing import Any

import jax
import optax
from jaxtyping import Array, Int, Key


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """Everything that training changes, and the key that all randomness is derived from."""

    step: Int[Array, ""]
    params: Any
    opt_state: optax.OptState
    key: Key[Array, ""]


def path_of(path: tuple[Any, ...]) -> str:
    """Name a leaf by its path: "bert/encoder/layer_0/attention/query/kernel"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")
