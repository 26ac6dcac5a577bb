"""The one place that decides in which precision a product is computed.

Parameters, normalisation, softmax and losses are float32. With `compute_dtype="bfloat16"` the
two factors of every product are rounded to bfloat16 and their products summed in float32, forward
and backward alike: matrix units of CPUs, GPUs and TPUs take exactly this form.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bert_jax.processor import multiplies_bfloat16


def product(
    subscripts: str, x: Float[Array, "..."], y: Float[Array, "..."], compute_dtype: str
) -> Float[Array, "..."]:
    """Contract two arrays as `einsum` does, in the precision asked for; the result is float32.

    Args:
        subscripts: explicit einsum subscripts of two factors, without ellipsis.
        x: the first factor.
        y: the second factor.
        compute_dtype: "float32" or "bfloat16".
    """
    return _product(subscripts, jnp.dtype(compute_dtype), x, y)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _product(subscripts: str, dtype: jnp.dtype, x: Array, y: Array) -> Array:
    return _einsum(subscripts, x.astype(dtype), y.astype(dtype))


def _forward(
    subscripts: str, dtype: jnp.dtype, x: Array, y: Array
) -> tuple[Array, tuple[Array, Array]]:
    x, y = x.astype(dtype), y.astype(dtype)
    return _einsum(subscripts, x, y), (x, y)


def _backward(
    subscripts: str, dtype: jnp.dtype, factors: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
    # Without this rule a float32 cotangent would drag both backward products up to float32. The
    # barrier keeps what came before out of the products' transposed copies: a CPU makes a
    # transposed copy alone twenty times faster than one fused with arithmetic.
    inputs, output = subscripts.split("->")
    of_x, of_y = inputs.split(",")
    x, y, cotangent = jax.lax.optimization_barrier((*factors, cotangent.astype(dtype)))
    return (
        _einsum(f"{output},{of_y}->{of_x}", cotangent, y),
        _gradient_of_second(of_x, output, of_y, x, cotangent),
    )


def _gradient_of_second(of_x: str, output: str, of_y: str, x: Array, cotangent: Array) -> Array:
    # What is summed comes first in both factors, so a CPU's product wants one of them transposed,
    # and takes bfloat16 only where it is its first. Behind the barrier, or XLA would swap the two.
    if len(of_y) == 2 and x.shape[-1] > cotangent.shape[-1]:  # a kernel: the narrower one
        turned = _einsum(f"{output},{of_x}->{of_y[::-1]}", cotangent, x)
        return jax.lax.optimization_barrier(turned).T

    def as_asked(x: Array, cotangent: Array) -> Array:
        return _einsum(f"{of_x},{output}->{of_y}", x, cotangent)

    def tokens_first(x: Array, cotangent: Array) -> Array:
        tokens, scores = (x, cotangent) if "h" in of_x else (cotangent, x)
        turned = _einsum("btnh,bnts->bnhs", tokens, scores)
        return jnp.einsum("bnhs->bsnh", jax.lax.optimization_barrier(turned))

    if len(of_y) == 4:  # keys or values; a TPU would move 3% more bytes for a CPU's form
        return jax.lax.platform_dependent(x, cotangent, cpu=tokens_first, default=as_asked)
    return as_asked(x, cotangent)


def _einsum(subscripts: str, x: Array, y: Array) -> Array:
    """Contract factors of one dtype with float32 sums, by whatever the platform can run."""
    if x.dtype == jnp.float32:
        return jnp.einsum(subscripts, x, y)

    def direct(x: Array, y: Array) -> Array:
        return jnp.einsum(subscripts, x, y, preferred_element_type=jnp.float32)

    def widened(x: Array, y: Array) -> Array:
        # A product of two bfloat16 numbers is exact in float32, so this gives the same numbers.
        return jnp.einsum(subscripts, x.astype(jnp.float32), y.astype(jnp.float32))

    cpu = direct if multiplies_bfloat16() else widened
    return jax.lax.platform_dependent(x, y, cpu=cpu, default=direct)


_product.defvjp(_forward, _backward)
