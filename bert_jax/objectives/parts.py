"""A batch computed in parts, one of them in memory at a time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped


def sum_over_parts(
    compute: Callable[[Any, Array], tuple[Any, Any]], rows: Any, parts: int
) -> tuple[Any, Any]:
    """Compute the parts of a batch one after the other.

    Args:
        compute: (part, its number) -> (what is summed over the parts, what there is for each row).
        rows: arrays with an entry a row.
        parts: a divisor of the rows.
    """
    if parts == 1:
        return compute(rows, jnp.zeros((), jnp.int32))

    def cut(x: Shaped[Array, "B ..."]) -> Shaped[Array, "parts R ..."]:
        # Row i goes to part i % parts: each device's rows then spread evenly over the parts and
        # none has to move.
        return x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1)

    def join(x: Shaped[Array, "parts R ..."]) -> Shaped[Array, "B ..."]:
        return x.swapaxes(0, 1).reshape(-1, *x.shape[2:])

    def add(total: Any, part: tuple[Any, Array]) -> tuple[Any, Any]:
        summed, of_rows = compute(*part)
        return jax.tree.map(jnp.add, total, summed), of_rows

    cut_rows = jax.tree.map(cut, rows)
    first = jax.tree.map(lambda x: x[0], cut_rows)
    shapes, _ = jax.eval_shape(compute, first, jnp.zeros((), jnp.int32))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    total, of_rows = jax.lax.scan(add, zeros, (cut_rows, jnp.arange(parts)))
    return total, jax.tree.map(join, of_rows)
