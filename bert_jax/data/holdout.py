"""Which documents are held out for validation."""

import math

import numpy as np

MIN_DOCUMENTS = 4  # fewer are not split: each part needs two for next sentence prediction


def first_block(share: float) -> int:
    """Return how many documents are seen before any is assigned."""
    return math.ceil(4 / share) if share else 0


def choose_first(documents: int, share: float, seed: int) -> np.ndarray:
    """Return which of the first documents are held out: at least two, if there are four.

    Small corpora are chosen by this alone: a hash would leave the count to luck.
    """
    held_out = np.zeros(documents, bool)
    if share and documents >= MIN_DOCUMENTS:
        count = min(max(2, round(share * documents)), documents - 2)
        order = np.random.Generator(np.random.Philox(key=[seed, 0])).permutation(documents)
        held_out[order[:count]] = True
    return held_out


def choose_later(ordinals: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return which documents are held out, each by a hash of its own number and the seed."""
    x = ordinals.astype(np.uint64) + np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    # splitmix64's finalizer
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return x < np.uint64(min(share * 2.0**64, 2.0**64 - 2**12))
