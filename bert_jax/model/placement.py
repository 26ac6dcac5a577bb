"""Where activations lie: the model names their dimensions, whoever knows the devices cuts them."""

from collections.abc import Callable

import jax
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, Shaped

# What the model calls the dimensions of its activations. Those of parameters have names too, in
# `training/sharding.py`: where both are the same thing it is the same name, and the same rule.
ACTIVATION_DIMENSIONS = ("batch", "sequence", "heads", "mlp", "vocab")

# (activation, a name or None for each of its dimensions) -> the same, cut so; None: whole.
Constrain = Callable[..., Array]
# (function, dimensions of each of its arguments, those of its result) -> the same function, of
# which each device computes its part from the parts of arguments that it holds; None: whole.
Apart = Callable[..., Callable[..., Array]]


def anywhere(x: Shaped[Array, "..."], *dimensions: str | None) -> Shaped[Array, "..."]:
    """Leave it to the compiler: on one device there is nothing to say."""
    return x


def row_major(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Have a GPU lay out an array, and so what is computed from it, row by row.

    For the sum over a batch that is the gradient of the embeddings of positions, a GPU's compiler
    would lay out all hidden states with the batch innermost, and every product copy them.
    """

    def laid_out(x: Array) -> Array:
        return with_layout_constraint(x, Layout(tuple(range(x.ndim))))

    return jax.lax.platform_dependent(x, cuda=laid_out, default=lambda x: x)


def whole(function: Callable[..., Array], *dimensions: object) -> Callable[..., Array]:
    """Leave a function as it is: there is one device."""
    return function
