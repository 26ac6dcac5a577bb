"""A linear-chain conditional random field over the tags of words (Lafferty et al. 2001).

A path of tags scores the sum of its emissions, of its transitions, and of its start and end; its
probability is the exponential of that over the sum of all paths'. W is the number of words of
the longest row; masks are prefixes, true for the words of a row.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Shaped

_FORBIDDEN = -1e9  # less than any score; finite, so that sums and gradients are


class Chain(NamedTuple):
    """What it scores to begin with a class, to go from one to the next, and to end with one."""

    start: Float[Array, "C"]
    transitions: Float[Array, "C C"]  # from the first index to the second
    end: Float[Array, "C"]


class TagChain(nn.Module):
    """Hold the scores of a chain; all 0 at first, so that words start out independent."""

    num_labels: int

    @nn.compact
    def __call__(self) -> Chain:
        zeros, count = nn.initializers.zeros, self.num_labels
        return Chain(
            self.param("start", zeros, (count,)),
            self.param("transitions", zeros, (count, count)),
            self.param("end", zeros, (count,)),
        )


def best_tags(
    chain: Chain,
    emissions: Float[Array, "B T C"],
    word_starts: Int[Array, "B W"],
    allowed: tuple[Bool[ArrayLike, "C"], Bool[ArrayLike, "C C"], Bool[ArrayLike, "C"]],
) -> Int[Array, "B W"]:
    """Return the best path over the words of each row among the allowed ones, 0 beyond them.

    Args:
        chain: the scores of the chain.
        emissions: what each token scores for each class.
        word_starts: the first piece of each word, 0 for padding.
        allowed: what may begin a path, follow one another, and end it.
    """
    words = gather_words(emissions, word_starts)
    return viterbi(forbid(chain, *map(jnp.asarray, allowed)), words, word_starts > 0)


def forbid(
    chain: Chain, start: Bool[Array, "C"], between: Bool[Array, "C C"], end: Bool[Array, "C"]
) -> Chain:
    """Make what is not allowed too costly for any path; for decoding.

    Not for training: a sentence that is cut into rows may begin inside an entity.
    """
    return Chain(
        jnp.where(start, chain.start, _FORBIDDEN),
        jnp.where(between, chain.transitions, _FORBIDDEN),
        jnp.where(end, chain.end, _FORBIDDEN),
    )


def gather_words(
    x: Shaped[Array, "B T *D"], word_starts: Int[Array, "B W"]
) -> Shaped[Array, "B W *D"]:
    """Take what stands at the first piece of each word; padding is 0, which takes [CLS].

    `word_starts > 0` is the mask of words that the functions below want.
    """
    indices = word_starts.reshape(*word_starts.shape, *(1,) * (x.ndim - 2))
    return jnp.take_along_axis(x, indices, axis=1)


def log_likelihood(
    chain: Chain,
    emissions: Float[Array, "B W C"],
    tags: Int[Array, "B W"],
    mask: Bool[Array, "B W"],
) -> Float[Array, "B"]:
    """Return the log-probability of the tags of each row, 0 for a row without words.

    Tags beyond the mask may be anything, -100 too. Everything is added up in float32.
    """
    emissions = emissions.astype(jnp.float32)
    tags = jnp.where(mask, tags, 0)
    return jnp.where(
        mask[:, 0],
        _path_score(chain, emissions, tags, mask) - _log_partition(chain, emissions, mask),
        0.0,
    )


def viterbi(
    chain: Chain, emissions: Float[Array, "B W C"], mask: Bool[Array, "B W"]
) -> Int[Array, "B W"]:
    """Return the best path of each row, 0 beyond the mask."""
    emissions = emissions.astype(jnp.float32)
    stay = jnp.arange(emissions.shape[-1])

    def forward(best: Array, word: tuple[Array, Array]) -> tuple[Array, Array]:
        emission, real = word[0], word[1][:, None]  # [B, C], [B, 1]
        scores = best[:, :, None] + chain.transitions  # [B, C, C]
        came_from = jnp.where(real, jnp.argmax(scores, axis=1), stay)
        return jnp.where(real, jnp.max(scores, axis=1) + emission, best), came_from

    def backward(tag: Array, came_from: Array) -> tuple[Array, Array]:
        before = jnp.take_along_axis(came_from, tag[:, None], axis=1)[:, 0]
        return before, before

    best, came_from = jax.lax.scan(forward, chain.start + emissions[:, 0], _later(emissions, mask))
    last = jnp.argmax(best + chain.end, axis=-1)
    _, before = jax.lax.scan(backward, last, came_from, reverse=True)
    path = jnp.concatenate([before, last[None]]).T  # [B, W]
    return jnp.where(mask, path, 0)


def _path_score(chain: Chain, emissions: Array, tags: Array, mask: Array) -> Float[Array, "B"]:
    """Add up the scores of one path a row."""
    emitted = jnp.take_along_axis(emissions, tags[:, :, None], axis=2)[:, :, 0]  # [B, W]
    moved = chain.transitions[tags[:, :-1], tags[:, 1:]]  # [B, W - 1]
    last = jnp.take_along_axis(tags, jnp.maximum(mask.sum(axis=1, keepdims=True) - 1, 0), axis=1)
    return (
        chain.start[tags[:, 0]]
        + jnp.where(mask, emitted, 0).sum(axis=1)
        + jnp.where(mask[:, 1:], moved, 0).sum(axis=1)
        + chain.end[last[:, 0]]
    )


def _log_partition(chain: Chain, emissions: Array, mask: Array) -> Float[Array, "B"]:
    """Return the logarithm of the sum over all paths, by the forward algorithm."""

    def forward(total: Array, word: tuple[Array, Array]) -> tuple[Array, None]:
        emission, real = word[0], word[1][:, None]  # [B, C], [B, 1]
        longer = jax.nn.logsumexp(total[:, :, None] + chain.transitions, axis=1) + emission
        return jnp.where(real, longer, total), None

    total, _ = jax.lax.scan(forward, chain.start + emissions[:, 0], _later(emissions, mask))
    return jax.nn.logsumexp(total + chain.end, axis=-1)


def _later(emissions: Array, mask: Array) -> tuple[Array, Array]:
    """Return all words but the first with words leading, as a scan wants them."""
    return jnp.swapaxes(emissions, 0, 1)[1:], mask.T[1:]
