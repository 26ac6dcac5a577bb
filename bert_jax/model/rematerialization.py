"""What a layer keeps for its backward pass, and what is computed again there."""

from collections.abc import Callable
from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

DOTS = "dots"  # the name of what `rematerialize="dots"` keeps


def kept(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Mark what a dense layer gives: dear to compute, and linear in the tokens of a row."""
    return checkpoint_name(x, DOTS)


def rematerialized(function: Callable[..., Any], rematerialize: str) -> Callable[..., Any]:
    """Have a function keep less for its backward pass: all ("none"), its dots, or its inputs."""
    if rematerialize == "none":
        return function
    policies = jax.checkpoint_policies
    policy = policies.save_only_these_names(DOTS) if rematerialize == "dots" else None
    return jax.checkpoint(function, policy=policy)
