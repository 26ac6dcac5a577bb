"""The parts every room of the model is built from."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bert_jax.model.config import BertConfig, Execution
from bert_jax.model.gradients import add_bias, gelu, gelu_tanh, layer_norm
from bert_jax.model.precision import product
from bert_jax.model.rematerialization import kept

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_new": gelu_tanh,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
}


def activation(name: str) -> Callable[[Array], Array]:
    """Find an activation; "gelu" is the exact form (erf), "gelu_new" the tanh approximation."""
    return _ACTIVATIONS[name]


def initializer(config: BertConfig) -> nn.initializers.Initializer:
    """Draw weights from a normal distribution, "truncated_normal" cut at two sigma.

    The cut one is not widened to make up for its tails, as in TensorFlow: its standard deviation
    is 0.88 of `initializer_range`.
    """
    if config.initializer == "normal":
        return nn.initializers.normal(config.initializer_range)
    return nn.initializers.truncated_normal(config.initializer_range)


class Affine(NamedTuple):
    """What a dense layer gives: a product and the bias that is still to be added to its rows.

    Who takes it adds them as part of its own arithmetic: to write the sum down would be a way
    through memory and back.
    """

    product: Float[Array, "*B D"]
    bias: Float[Array, "D"]

    def sum(self) -> Float[Array, "*B D"]:
        """Add them, in float32."""
        return add_bias(self.product, self.bias)


class Dense(nn.Module):
    """An affine map of the last dimension; the kernel is [in, out]."""

    config: BertConfig
    execution: Execution
    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "B *T D"]) -> Affine:
        kernel = self.param("kernel", initializer(self.config), (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        # A single leading dimension means a head over B rows: small, and its weight gradient
        # contracts the one leading dimension, a form that XLA's bf16 path on CPUs cannot run.
        if x.ndim == 2:
            return Affine(product("bd,df->bf", x, kernel, "float32"), bias)
        return Affine(kept(self.execution.product("btd,df->btf", x, kernel)), bias)


class LayerNorm(nn.Module):
    """Normalise the last dimension, computed in float32."""

    config: BertConfig
    execution: Execution

    @nn.compact
    def __call__(
        self, *arrays: Any, of: Callable[..., Float[Array, "... D"]] = lambda x: x
    ) -> Float[Array, "... D"]:
        """Normalise what `of` makes of the arrays, in float32; by default the one there is."""
        width = (self.config.hidden_size,)
        scale = self.param("scale", nn.initializers.ones, width)
        bias = self.param("bias", nn.initializers.zeros, width)

        def compute(scale: Array, bias: Array, *arrays: Any) -> Array:
            dtype = self.execution.activation_dtype
            x = of(*arrays)
            return layer_norm(x, scale, bias, self.config.layer_norm_eps, dtype).astype(dtype)

        return self.execution.elementwise(compute)(scale, bias, *arrays)


class Embedding(nn.Module):
    """A table of vectors; `__call__` looks rows up."""

    config: BertConfig
    execution: Execution
    num_embeddings: int
    dimension: str | None = None  # the name of its rows, where they may lie on several devices

    def setup(self) -> None:
        shape = (self.num_embeddings, self.config.hidden_size)
        self.embedding = self.param("embedding", initializer(self.config), shape)

    @property
    def table(self) -> Float[Array, "V D"]:
        """The vectors, of their full width on each device, so that what is looked up is too."""
        return self.execution.constrain(self.embedding, self.dimension, None)

    def __call__(self, ids: Array) -> Float[Array, "... D"]:
        return jnp.take(self.table, ids, axis=0)
