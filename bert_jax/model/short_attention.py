"""Attention of short rows on a GPU, in one kernel that drops probabilities as the plain one does.

All keys of a row lie in a core's registers at once, so the softmax of a query is as it is defined,
and the backward pass computes it again from queries and keys: nothing of B x N x T x S numbers is
ever written down. What is dropped is a function of a probability's place (`dropout.bits_at`), so it
is what the plain attention drops.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array

from bert_jax.model.attention import MASKED_SCORE
from bert_jax.model.dropout import bits_at, kept_from

_AT_ONCE = 64  # queries, forward: cores then have several parts to turn to
_OF_QUERIES = (0, 3)  # blocks that are as long as a row's queries; the others are as its keys
_LEAST = 16  # of any side of a product


class _Form(NamedTuple):
    """What is static of the kernel: sizes of a whole batch, and how much is dropped."""

    heads: int
    queries: int
    keys: int
    rate: float


def short_attention(
    query: Array,
    key: Array,
    value: Array,
    keys: Array,
    queries: Array,
    origin: Array,
    form: tuple[int, int, int, float],
) -> Array:
    """Average values by the softmax of scores, some of it dropped.

    Args:
        query: [B, T, N, H], scaled already; H is a power of two.
        key: [B, S, N, H], as values are; S is at most 128, so that scores fit registers.
        value: what is averaged.
        keys: [B, S], integers.
        queries: [B, T]: a query sees the keys whose number is its own.
        origin: where in the whole batch this part begins, row, head and query, then the two
            words of a dropout key: [5], uint32.
        form: heads, queries and keys of the whole batch, and the rate of dropout.

    Returns:
        What each query's values average to, [B, T, N, H].
    """
    length = query.shape[1]
    query, queries = _filled(query, 0), _filled(queries, -1)
    key, value, keys = _filled(key, 0), _filled(value, 0), _filled(keys, -2)
    arrays = query, key, value, keys, queries, origin
    averages: Array = _attend(_Form(*form), *arrays)  # type: ignore[assignment]
    return averages[:, :length]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(
    form: _Form, query: Array, key: Array, value: Array, keys: Array, queries: Array, origin: Array
) -> Array:
    blocks, numbers = (query, key, value), (queries, keys)
    (found,) = _call(_forward_kernel, form, blocks, numbers, origin, (query,), _AT_ONCE, 4)
    return found


def _forward(form: _Form, *arrays: Array) -> tuple[Array, tuple[Array, ...]]:
    return _attend(form, *arrays), arrays


def _backward(
    form: _Form, arrays: tuple[Array, ...], cotangent: Array
) -> tuple[Array, Array, Array, None, None, None]:
    query, key, value, keys, queries, origin = arrays
    blocks, numbers, like = (query, key, value, cotangent), (queries, keys), (query, key, value)
    gradients = _call(_backward_kernel, form, blocks, numbers, origin, like, query.shape[1], 8)
    of_query, of_key, of_value = gradients
    return of_query, of_key, of_value, None, None, None


_attend.defvjp(_forward, _backward)


def _call(
    kernel: Callable[..., None],
    form: _Form,
    blocks: Sequence[Array],
    numbers: Sequence[Array],
    origin: Array,
    like: Sequence[Array],
    at_once: int,
    warps: int,
) -> tuple[Array, ...]:
    """Run a kernel for each row, head and part of the queries.

    Args:
        kernel: takes the form, then references to one block of each array.
        form: what is static.
        blocks: query, key, value and what comes back to their averages, [B, T or S, N, H].
        numbers: [B, T or S], those of queries first.
        origin: as of `short_attention`.
        like: shapes and dtypes of what it gives, in the order of blocks.
        at_once: queries of a part.
        warps: of 32 threads each, that compute a part.
    """
    _, length, heads, width = blocks[0].shape
    at_once = min(at_once, length)

    def block(place: int) -> pl.BlockSpec:
        if place in _OF_QUERIES:
            shape = (None, at_once, None, width)
            return pl.BlockSpec(shape, lambda row, head, part: (row, part, head, 0))
        shape = (None, blocks[1].shape[1], None, width)
        return pl.BlockSpec(shape, lambda row, head, part: (row, 0, head, 0))

    of_row = (
        pl.BlockSpec((None, at_once), lambda row, head, part: (row, part)),
        pl.BlockSpec((None, numbers[1].shape[1]), lambda row, head, part: (row, 0)),
    )

    def on(interpret: bool) -> Callable[..., Any]:
        return pl.pallas_call(
            functools.partial(kernel, form),
            grid=(blocks[0].shape[0], heads, length // at_once),
            in_specs=[
                *map(block, range(len(blocks))),
                *of_row,
                pl.BlockSpec((8,), lambda row, head, part: (0,)),
            ],
            out_specs=[block(place) for place in range(len(like))],
            out_shape=[jax.ShapeDtypeStruct(x.shape, x.dtype) for x in like],
            compiler_params=triton.CompilerParams(num_warps=warps, num_stages=1),
            interpret=interpret,
        )

    told = jnp.pad(origin, (0, 8 - origin.size))  # blocks are powers of two
    # A CPU can only take its steps one by one, which is how it is tested without a GPU.
    return jax.lax.platform_dependent(
        *blocks, *numbers, told, cpu=on(interpret=True), default=on(interpret=False)
    )


def _forward_kernel(form, query, key, value, queries, keys, told, found) -> None:
    probabilities = _probabilities(query[...], key[...], queries[...], keys[...])
    kept = _dropped(form, _keep(form, told, probabilities.shape), probabilities)
    found[...] = _product(kept.astype(value.dtype), value[...]).astype(found.dtype)


def _backward_kernel(
    form, query, key, value, cotangent, queries, keys, told, of_query, of_key, of_value
) -> None:
    dtype = query.dtype
    probabilities = _probabilities(query[...], key[...], queries[...], keys[...])
    keep = _keep(form, told, probabilities.shape)
    kept = _dropped(form, keep, probabilities).astype(dtype)
    of_value[...] = _product(kept.T, cotangent[...]).astype(dtype)
    of_kept = _product(cotangent[...], value[...].T)
    of_probabilities = _dropped(form, keep, of_kept)
    along = jnp.sum(of_probabilities * probabilities, axis=1, keepdims=True)
    of_scores = (probabilities * (of_probabilities - along)).astype(dtype)
    of_query[...] = _product(of_scores, key[...]).astype(dtype)
    of_key[...] = _product(of_scores.T, query[...]).astype(dtype)


def _probabilities(query: Array, key: Array, queries: Array, keys: Array) -> Array:
    scores = _product(query, key.T)
    scores = jnp.where(queries[:, None] == keys[None, :], scores, MASKED_SCORE)
    exponentials = jnp.exp(scores - jnp.max(scores, axis=1, keepdims=True))
    # A division a query, and not one a key: it takes ten times as long as a product.
    return exponentials * (1.0 / jnp.sum(exponentials, axis=1, keepdims=True))


def _keep(form: _Form, told, shape: tuple[int, ...]) -> Array | None:
    """Tell which of a head's probabilities are kept; None: all are."""
    if not form.rate:
        return None
    row = told[0] + jnp.uint32(pl.program_id(0))
    head = told[1] + jnp.uint32(pl.program_id(1))
    first = (row * jnp.uint32(form.heads) + head) * jnp.uint32(form.queries) + told[2]
    first += jnp.uint32(pl.program_id(2) * shape[0])
    queries = first + jax.lax.broadcasted_iota(jnp.uint32, shape, 0)
    places = queries * jnp.uint32(form.keys) + jax.lax.broadcasted_iota(jnp.uint32, shape, 1)
    return bits_at(places, told[3], told[4]) >= kept_from(form.rate)


def _dropped(form: _Form, keep: Array | None, x: Array) -> Array:
    """Zero what is not kept, and scale the rest."""
    return x if keep is None else jnp.where(keep, x * (1.0 / (1.0 - form.rate)), 0.0)


def _product(x: Array, y: Array) -> Array:
    return jnp.dot(x, y, preferred_element_type=jnp.float32)


def _filled(x: Array, value: int) -> Array:
    """Lengthen rows to a power of two, which blocks of this kernel are."""
    length = max(_LEAST, 1 << (x.shape[1] - 1).bit_length())
    widths = [(0, 0), (0, length - x.shape[1]), *[(0, 0)] * (x.ndim - 2)]
    return jnp.pad(x, widths, constant_values=value) if length > x.shape[1] else x
