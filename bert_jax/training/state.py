"""What a training step carries from one step to the next."""

from collections.abc import Callable
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


def flatten(tree: Any) -> dict[str, Any]:
    """Name the leaves of a tree by their paths."""
    return {path_of(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def nest(leaves: dict[str, Any]) -> dict[str, Any]:
    """Build nested dicts again from leaves named by their paths."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = leaf
    return tree


def select(tree: dict[str, Any], keep: Callable[[str], bool]) -> dict[str, Any]:
    """Take the part of nested dicts whose paths are to be kept."""
    return nest({path: leaf for path, leaf in flatten(tree).items() if keep(path)})


def replaced(tree: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Put the leaves of a part in their places in the whole."""
    return nest(flatten(tree) | flatten(part))


def path_of(path: tuple[Any, ...]) -> str:
    """Name a leaf by its path: "bert/encoder/layer_0/attention/query/kernel"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")
