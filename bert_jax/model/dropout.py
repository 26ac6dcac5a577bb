"""Dropout whose mask is a pure function of a key and of an element's place.

A hash of the flat index is used instead of `jax.random`: it is as independent of mesh and
sharding, and on a CPU, where drawing Threefry bits took longer than the model's own arithmetic,
many times cheaper. Masks need no cryptographic strength.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt32


def dropout(x: Float[Array, "..."], rate: float, key: Key[Array, ""] | None) -> Array:
    """Zero each element with probability `rate`, and scale what stays by 1 / (1 - rate).

    Every element has a decision of its own: nothing is shared over heads, positions or rows.

    Args:
        x: activations of any shape.
        rate: probability of zero, in [0, 1).
        key: the source of randomness; None leaves `x` as it is (evaluation).
    """
    if key is None or rate == 0:
        return x
    keep = random_bits(key, x.shape) >= kept_from(rate)
    return jnp.where(keep, x.astype(jnp.float32) / (1 - rate), 0).astype(x.dtype)


def kept_from(rate: float) -> UInt32[Array, ""]:
    """Give the least bits of an element that is kept."""
    return jnp.uint32(round(rate * 2**32))


def split(key: Key[Array, ""] | None) -> tuple[Array | None, Array | None]:
    """Split a dropout key in two; nothing splits into nothing."""
    if key is None:
        return None, None
    first, second = jax.random.split(key)
    return first, second


def random_bits(key: Key[Array, ""], shape: tuple[int, ...]) -> UInt32[Array, "..."]:
    """Draw 32 random bits an element."""
    first, second = jax.random.key_data(key).astype(jnp.uint32)
    index = jnp.zeros(shape, jnp.uint32)
    for axis in range(len(shape)):
        stride = math.prod(shape[axis + 1 :]) % 2**32
        index += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(stride)
    return bits_at(index, first, second)


def bits_at(
    index: UInt32[Array, "..."], first: UInt32[Array, ""], second: UInt32[Array, ""]
) -> UInt32[Array, "..."]:
    """Mix flat indices with the two words of a key: two rounds of a multiply-xorshift."""
    return _mix(_mix(index ^ first) + second)


def _mix(bits: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    # The "lowbias32" constants of Wellons' hash prospector: a bias of 0.17 over single bits.
    bits ^= bits >> 16
    bits *= jnp.uint32(0x7FEB352D)
    bits ^= bits >> 15
    bits *= jnp.uint32(0x846CA68B)
    return bits ^ (bits >> 16)
