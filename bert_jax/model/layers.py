"""The parts every room of the model is built from."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bert_jax.model.config import BertConfig, Execution
from bert_jax.model.gradients import add_bias, gelu, layer_norm
from bert_jax.model.precision import product
from bert_jax.model.rematerialization import kept

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_new": lambda x: jax.nn.gelu(x, approximate=True),
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


class Dense(nn.Module):
    """An affine map of the last dimension; the kernel is [in, out]."""

    config: BertConfig
    execution: Execution
    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "B *T D"]) -> Float[Array, "B *T F"]:
        kernel = self.param("kernel", initializer(self.config), (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        # A single leading dimension means a head over B rows: small, and its weight gradient
        # contracts the one leading dimension, a form that XLA's bf16 path on CPUs cannot run.
        if x.ndim == 2:
            return add_bias(product("bd,df->bf", x, kernel, "float32"), bias)
        return add_bias(kept(product("btd,df->btf", x, kernel, self.execution.compute_dtype)), bias)


class LayerNorm(nn.Module):
    """Normalise the last dimension in float32."""

    config: BertConfig

    @nn.compact
    def __call__(self, x: Float[Array, "... D"]) -> Float[Array, "... D"]:
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        return layer_norm(x, scale, bias, self.config.layer_norm_eps)


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
