"""The one place that decides in which precision a product is computed.

Parameters, normalisation, softmax and losses are float32. With `compute_dtype="bfloat16"` the
two factors of every product are rounded to bfloat16 and their products summed in float32, forward
and backward alike: matrix units of CPUs, GPUs and TPUs take exactly this form.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bert_jax.processor import multiplies_bfloat16


class _Form(NamedTuple):
    """A product as it is asked for; what is static of it."""

    subscripts: str
    factors: jnp.dtype  # what both are rounded to
    result: jnp.dtype
    x: jnp.dtype  # of the factors as they come, and so of their gradients
    y: jnp.dtype


def product(
    subscripts: str,
    x: Float[Array, "..."],
    y: Float[Array, "..."],
    compute_dtype: str,
    result_dtype: str = "float32",
) -> Float[Array, "..."]:
    """Contract two arrays as `einsum` does, in the precision asked for.

    Sums are float32. A gradient has the dtype of what it is the gradient of.

    Args:
        subscripts: explicit einsum subscripts of two factors, without ellipsis.
        x: the first factor.
        y: the second factor.
        compute_dtype: "float32" or "bfloat16".
        result_dtype: what the sums are rounded to, "float32" or "bfloat16".
    """
    form = _Form(subscripts, jnp.dtype(compute_dtype), jnp.dtype(result_dtype), x.dtype, y.dtype)
    return _product(form, x, y)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _product(form: _Form, x: Array, y: Array) -> Array:
    return _forward(form, x, y)[0]


def _forward(form: _Form, x: Array, y: Array) -> tuple[Array, tuple[Array, Array]]:
    x, y = x.astype(form.factors), y.astype(form.factors)
    return _einsum(form.subscripts, x, y, form.result), (x, y)


def _backward(form: _Form, factors: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    # Without this rule a float32 cotangent would drag both backward products up to float32.
    inputs, output = form.subscripts.split("->")
    of_x, of_y = inputs.split(",")
    x, y, cotangent = alone((*factors, cotangent.astype(form.factors)))
    return (
        _einsum(f"{output},{of_y}->{of_x}", cotangent, y, form.x),
        _gradient_of_second(of_x, output, of_y, x, cotangent, form.y),
    )


def alone(factors: Any) -> Any:
    """Keep what came before, or comes after, out of a product's transposed copies on a CPU.

    It makes a transposed copy alone twenty times faster than one fused with arithmetic.
    """
    return jax.lax.platform_dependent(
        factors, cpu=jax.lax.optimization_barrier, default=lambda factors: factors
    )


def _gradient_of_second(
    of_x: str, output: str, of_y: str, x: Array, cotangent: Array, dtype: jnp.dtype
) -> Array:
    if len(of_y) == 4:  # keys or values; a TPU would move 3% more bytes for a CPU's form

        def tokens_first(x: Array, cotangent: Array) -> Array:
            tokens, scores = (x, cotangent) if "h" in of_x else (cotangent, x)
            turned = _einsum("btnh,bnts->bnhs", tokens, scores, dtype)
            return jnp.einsum("bnhs->bsnh", jax.lax.optimization_barrier(turned))

        def as_asked(x: Array, cotangent: Array) -> Array:
            return _einsum(f"{of_x},{output}->{of_y}", x, cotangent, dtype)

        return jax.lax.platform_dependent(x, cotangent, cpu=tokens_first, default=as_asked)

    # What is summed comes first in both factors, so a CPU's product wants one of them transposed,
    # and takes bfloat16 only where it is its first. Behind the barrier, or XLA would swap the two.
    if _turned(x, cotangent):
        turned = _einsum(f"{output},{of_x}->{of_y[::-1]}", cotangent, x, dtype)
        return alone(turned).T
    return _einsum(f"{of_x},{output}->{of_y}", x, cotangent, dtype)


def _turned(x: Array, cotangent: Array) -> bool:
    """Tell whether a kernel's gradient costs less when its narrower factor is transposed.

    Then the gradient comes out transposed, and is read so some three times by the optimizer.
    """
    spared = (x.size - cotangent.size) * x.dtype.itemsize
    gradient = x.shape[-1] * cotangent.shape[-1] * 4
    return spared > 3 * gradient


def _einsum(subscripts: str, x: Array, y: Array, dtype: jnp.dtype) -> Array:
    """Contract factors of one dtype with float32 sums, by whatever the platform can run."""
    if x.dtype == jnp.float32:
        return jnp.einsum(subscripts, x, y).astype(dtype)

    def direct(x: Array, y: Array) -> Array:
        return jnp.einsum(subscripts, x, y, preferred_element_type=dtype)

    def summed(x: Array, y: Array) -> Array:
        # A CPU sums in what it gives, and has the units for float32 alone.
        return jnp.einsum(subscripts, x, y, preferred_element_type=jnp.float32).astype(dtype)

    def widened(x: Array, y: Array) -> Array:
        # A product of two bfloat16 numbers is exact in float32, so this gives the same numbers.
        return jnp.einsum(subscripts, *(z.astype(jnp.float32) for z in (x, y))).astype(dtype)

    cpu = summed if multiplies_bfloat16() else widened
    return jax.lax.platform_dependent(x, y, cpu=cpu, default=direct)


_product.defvjp(_forward, _backward)
