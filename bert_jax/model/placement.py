"""Where activations lie: the model names their dimensions, whoever knows the devices cuts them."""

from collections.abc import Callable

from jaxtyping import Array, Shaped

# What the model calls the dimensions of its activations. Those of parameters have names too, in
# `training/sharding.py`: where both are the same thing it is the same name, and the same rule.
ACTIVATION_DIMENSIONS = ("batch", "sequence", "heads", "mlp", "vocab")

# (activation, a name or None for each of its dimensions) -> the same, cut so; None: whole.
Constrain = Callable[..., Array]


def anywhere(x: Shaped[Array, "..."], *dimensions: str | None) -> Shaped[Array, "..."]:
    """Leave it to the compiler: on one device there is nothing to say."""
    return x
