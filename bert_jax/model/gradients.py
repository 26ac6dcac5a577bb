"""Elementwise parts of the model with backward passes written by hand.

They give the gradients that differentiation would, in a form that a CPU runs several times faster:
sums over rows as a product with ones (XLA's own reductions over leading dimensions run on
one core and pass over memory twice), and each exponential once. Measured in experiments/LOG.md.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def add_bias(x: Float[Array, "*B D"], bias: Float[Array, "D"]) -> Float[Array, "*B D"]:
    """Add a vector to every row; the sum is float32."""
    return _add_bias(x.dtype, x, bias)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _add_bias(dtype: jnp.dtype, x: Array, bias: Array) -> Array:
    return x + bias


def _add_bias_forward(dtype: jnp.dtype, x: Array, bias: Array) -> tuple[Array, None]:
    return x + bias, None


def _add_bias_backward(dtype: jnp.dtype, _: None, cotangent: Array) -> tuple[Array, Array]:
    cotangent = cotangent.astype(dtype)  # as it is written down, and so read
    return cotangent, _sum_rows(cotangent)


_add_bias.defvjp(_add_bias_forward, _add_bias_backward)


def layer_norm(
    x: Float[Array, "*B D"],
    scale: Float[Array, "D"],
    bias: Float[Array, "D"],
    epsilon: float,
    dtype: str = "float32",
) -> Float[Array, "*B D"]:
    """Normalise each row to mean 0 and variance 1, then scale and shift (Ba et al. 2016).

    Normalised rows are kept for the gradient of the scale in the dtype given; all else is float32.
    """
    return _scale_shift(jnp.dtype(dtype), _normalize(epsilon, x), scale, bias)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _normalize(epsilon: float, x: Array) -> Array:
    return _normalize_forward(epsilon, x)[0]


def _normalize_forward(epsilon: float, x: Array) -> tuple[Array, tuple[Array, Array]]:
    mean = jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(x - mean), axis=-1, keepdims=True)
    factor = jax.lax.rsqrt(variance + epsilon)
    normalized = (x - mean) * factor
    return normalized, (normalized, factor)


def _normalize_backward(
    epsilon: float, saved: tuple[Array, Array], cotangent: Array
) -> tuple[Array]:
    normalized, factor = saved
    mean = jnp.mean(cotangent, axis=-1, keepdims=True)
    along = jnp.mean(cotangent * normalized, axis=-1, keepdims=True)
    return (factor * (cotangent - mean - normalized * along),)


_normalize.defvjp(_normalize_forward, _normalize_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _scale_shift(dtype: jnp.dtype, x: Array, scale: Array, bias: Array) -> Array:
    return x * scale + bias


def _scale_shift_forward(
    dtype: jnp.dtype, x: Array, scale: Array, bias: Array
) -> tuple[Array, tuple[Array, Array]]:
    return x * scale + bias, (x.astype(dtype), scale)


def _scale_shift_backward(
    dtype: jnp.dtype, saved: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array, Array]:
    x, scale = saved
    return cotangent * scale, _sum_rows(cotangent * x), _sum_rows(cotangent)


_scale_shift.defvjp(_scale_shift_forward, _scale_shift_backward)


@jax.custom_vjp
def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Apply the exact GELU, x times the normal distribution function (Hendrycks & Gimpel 2016)."""
    return x * _normal_cdf(x)


def _gelu_forward(x: Array) -> tuple[Array, Array]:
    cdf = _normal_cdf(x)
    density = jnp.exp(-0.5 * jnp.square(x)) * 0.3989422804014327
    return x * cdf, cdf + x * density


def _gelu_backward(derivative: Array, cotangent: Array) -> tuple[Array]:
    return (cotangent * derivative,)


gelu.defvjp(_gelu_forward, _gelu_backward)


_TWICE = 1.5957691216057308  # 2 sqrt(2 / pi)
_CUBE = 0.044715


@jax.custom_vjp
def gelu_tanh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Apply the approximation of the GELU by a tanh, as x times a sigmoid: the same function."""
    return _gelu_tanh_forward(x)[0]


def _gelu_tanh_forward(x: Array) -> tuple[Array, Array]:
    # 0.5 (1 + tanh(y / 2)) is the sigmoid of y, and takes one exponential.
    square = jnp.square(x)
    share = 1.0 / (1.0 + jnp.exp(-_TWICE * x * (1.0 + _CUBE * square)))
    slope = _TWICE * (1.0 + 3.0 * _CUBE * square)
    return x * share, share * (1.0 + x * (1.0 - share) * slope)


gelu_tanh.defvjp(_gelu_tanh_forward, _gelu_backward)


def _normal_cdf(x: Array) -> Array:
    return 0.5 * (1.0 + jax.lax.erf(x * 0.7071067811865476))


def _sum_rows(x: Float[Array, "*B D"]) -> Float[Array, "D"]:
    """Add up rows in float32, by what the platform does best."""
    *batch, tokens = range(x.ndim - 1)

    def contracted(x: Array) -> Array:
        # Each row of tokens by itself: flattened, those of a cut sequence would be gathered. And
        # XLA would compute anew, for the flattened copy, all that leads to what is summed: for
        # each layer of a stack what all layers above it had given.
        x = x.astype(jnp.float32)
        dimensions = (([tokens], [tokens]), (batch, batch))
        sums = jax.lax.dot_general(jnp.ones(x.shape[:-1], x.dtype), x, dimensions)
        return jnp.sum(sums, axis=batch)

    def reduced(x: Array) -> Array:
        # Together with what gives the rows, which need not be in memory then.
        return jnp.sum(x, axis=(*batch, tokens), dtype=jnp.float32)

    return jax.lax.platform_dependent(x, cpu=contracted, default=reduced)
