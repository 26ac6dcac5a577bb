"""Attention in one kernel that keeps no probabilities: cuDNN's on GPUs, splash on TPUs, or ours.

Scores and probabilities, B x N x T x S numbers each, are computed block by block where they are
needed, and once more in the backward pass (Dao et al. 2022, arXiv:2205.14135). No public kernel of
this kind drops probabilities by a key; the one for short rows on GPUs (`short_attention.py`) does.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from bert_jax.model.config import BertConfig, Execution
from bert_jax.model.rematerialization import DOTS

KERNELS = {"gpu": "cudnn", "tpu": "splash"}  # of rows of any length
LARGEST_BLOCK = 512  # tokens of a splash block: what of a row lies in a core's memory at a time
LONGEST = 128  # tokens of a row that the kernel for short ones takes
LANES = 128  # of a TPU: splash takes rows in multiples of them
LARGEST_HEAD = 128  # that cuDNN takes on every GPU


class Visible(NamedTuple):
    """Who sees whom, in numbers: a query sees the keys that have its own; a pytree."""

    keys: Int[Array, "B S"]
    queries: Int[Array, "B T"] | None  # None: all see what has a 1, and that comes first in a row


def kernel_of(platform: str, config: BertConfig, compute_dtype: str, length: int) -> str:
    """Name the kernel of a platform ("gpu", "tpu") that a model can be trained with.

    Args:
        platform: of the devices.
        config: the model.
        compute_dtype: of products' factors.
        length: tokens of the longest row.

    Raises:
        ValueError: there is none.
    """
    if platform not in KERNELS:
        raise ValueError(f"there is no fused kernel on {platform!r}; leave it at 'plain'")
    if platform == "gpu" and compute_dtype != "bfloat16":
        raise ValueError(
            f"kernels on GPUs want two bytes a number, and compute_dtype={compute_dtype!r}; "
            "set config.compute_dtype=bfloat16, or leave it at 'plain'"
        )
    size = config.head_size
    if platform == "gpu" and length <= LONGEST and size >= 16 and not size & (size - 1):
        return "short"
    kernel = KERNELS[platform]
    if config.attention_probs_dropout_prob:
        raise ValueError(
            f"no fused kernel drops attention probabilities, and the model does "
            f"(attention_probs_dropout_prob={config.attention_probs_dropout_prob}); "
            "set config.model.attention_probs_dropout_prob=0.0, or leave it at 'plain'"
        )
    if kernel == "cudnn" and (config.head_size % 8 or config.head_size > LARGEST_HEAD):
        raise ValueError(
            f"cuDNN's kernel wants heads of a multiple of 8 up to {LARGEST_HEAD}, and those of "
            f"the model are {config.head_size} wide; leave it at 'plain'"
        )
    return kernel


def fused_attention(
    query: Float[Array, "B T N H"],
    key: Float[Array, "B S N H"],
    value: Float[Array, "B S N H"],
    visible: Visible,
    execution: Execution,
    rate: float = 0.0,
    dropout_key: Key[Array, ""] | None = None,
) -> Float[Array, "B T N H"]:
    """Average the values of visible keys by the softmax of their products with each query.

    Each device computes its own rows, heads and queries: XLA cannot cut a kernel. A query that sees
    no key at all gets something finite.

    Args:
        query: scaled already.
        key: of all tokens of a row, as values are.
        value: what is averaged.
        visible: which keys a query sees.
        execution: names the kernel and the precision of the factors.
        rate: share of probabilities that are dropped, which "short" alone can.
        dropout_key: what is dropped depends on; None: nothing is.

    Raises:
        ValueError: the kernel drops none.
    """
    rate = 0.0 if dropout_key is None else rate
    kernel = execution.attention
    if kernel == "short" and max(query.shape[1], key.shape[1]) > LONGEST:
        kernel = "cudnn"  # a run may look at longer rows than it trains on
    if rate and kernel != "short":
        raise ValueError(
            f"attention={kernel!r} drops no probabilities, and "
            f"attention_probs_dropout_prob={rate}; set that to 0, or attention='plain'"
        )
    asking, asked = ("batch", "sequence", "heads", None), ("batch", None, "heads", None)
    factors = [x.astype(execution.compute_dtype) for x in (query, key, value)]
    numbers = [number for number in visible if number is not None]
    dimensions = [("batch", None), ("batch", "sequence")][: len(numbers)]
    attend = {"cudnn": _cudnn, "splash": _splash}.get(kernel)
    if attend is None:
        whole = query.shape[2], query.shape[1], key.shape[1], rate
        attend = functools.partial(_short, whole=whole)
        numbers, dimensions = _told(query, visible, rate, dropout_key), _TOLD
    on_each = execution.apart(attend, (asking, asked, asked, *dimensions), asking)
    return on_each(*factors, *numbers).astype(execution.activation_dtype)


# Dimensions of what `_told` gives.
_TOLD = (("batch", None), ("batch", "sequence"), ("batch",), ("heads",), ("sequence",), (None,))


def _told(query: Array, visible: Visible, rate: float, dropout_key: Array | None) -> list[Array]:
    """Give what the kernel of short rows wants to know beside its factors."""
    rows, length, heads, _ = query.shape
    words = jnp.zeros(2, jnp.uint32)
    if rate and dropout_key is not None:
        words = jax.random.key_data(dropout_key).astype(jnp.uint32)
    queries = visible.queries
    if queries is None:
        queries = jnp.ones((rows, length), visible.keys.dtype)
    places = [jnp.arange(size, dtype=jnp.uint32) for size in (rows, heads, length)]
    return [visible.keys, queries, *places, words]


def _short(
    query: Array,
    key: Array,
    value: Array,
    keys: Array,
    queries: Array,
    rows: Array,
    heads: Array,
    places: Array,
    words: Array,
    *,
    whole: tuple[int, int, int, float],
) -> Array:
    from bert_jax.model.short_attention import short_attention  # takes its time to import

    origin = jnp.concatenate([rows[:1], heads[:1], places[:1], words])
    return short_attention(query, key, value, keys, queries, origin, whole)


def _cudnn(
    query: Array, key: Array, value: Array, keys: Array, queries: Array | None = None
) -> Array:
    lengths, mask = None, None
    if queries is None:
        # A mask takes T x S numbers a row, lengths next to nothing; of 0 the softmax is none.
        lengths = jnp.maximum(jnp.sum(keys == 1, axis=1, dtype=jnp.int32), 1)
    else:
        mask = queries[:, None, :, None] == keys[:, None, None, :]
    return jax.nn.dot_product_attention(
        query,
        key,
        value,
        mask=mask,
        scale=1.0,
        key_value_seq_lengths=lengths,
        implementation="cudnn",
    )


def _splash(
    query: Array, key: Array, value: Array, keys: Array, queries: Array | None = None
) -> Array:
    # Takes its time to import, and nobody else needs it.
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    if queries is None:
        queries = jnp.ones(query.shape[:2], keys.dtype)
    length = query.shape[1]
    query, key, value = (_filled(x, 0) for x in (query, key, value))
    seen = splash.SegmentIds(_filled(queries, -1), _filled(keys, -1))
    asking, asked = _block(query.shape[1]), _block(key.shape[1])
    everything = masks.FullMask((query.shape[1], key.shape[1]))
    attend = splash.make_splash_mha(
        masks.MultiHeadMask([everything] * query.shape[2]),
        block_sizes=splash.BlockSizes(
            block_q=asking,
            block_kv=asked,
            block_q_dkv=asking,
            block_kv_dkv=asked,
            use_fused_bwd_kernel=True,  # scores are computed once for all three gradients
        ),
        residual_checkpoint_name=DOTS,  # small, and the kernel need not run again
        head_shards=1,
        q_seq_shards=1,
    )
    by_heads = (x.swapaxes(1, 2) for x in (query, key, value))  # [B, N, T, H]
    attended: Array = jax.vmap(attend)(*by_heads, seen)  # type: ignore[assignment]
    return attended.swapaxes(1, 2)[:, :length]


def _filled(x: Array, value: int) -> Array:
    """Lengthen rows to a multiple of what a TPU takes."""
    missing = -x.shape[1] % LANES
    widths = [(0, 0), (0, missing), *[(0, 0)] * (x.ndim - 2)]
    return jnp.pad(x, widths, constant_values=value) if missing else x


def _block(length: int) -> int:
    """Give the largest block that divides rows so long."""
    return max(b for b in range(LANES, LARGEST_BLOCK + 1, LANES) if length % b == 0)
