"""What tells one attention head from another, as a number each (after Clark et al. 2019)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Heads:
    """Means over the tokens of a line, as arrays [layers, heads].

    Attributes:
        entropy: of where a token looks, in bits; 0 where it is at one token alone.
        special: share of the attention that goes to tokens that only mark where texts end.
        itself: share that a token keeps.
        previous: share that goes to the token before, of those that have one.
        following: share that goes to the token behind, of those that have one.
    """

    entropy: np.ndarray
    special: np.ndarray
    itself: np.ndarray
    previous: np.ndarray
    following: np.ndarray


def summarize(probabilities: np.ndarray, special: Sequence[bool]) -> Heads:
    """Summarize heads by their probabilities [L, N, T, T], where some of the T are special."""
    logarithms = np.log2(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)

    def diagonal(offset: int) -> np.ndarray:
        shares = np.diagonal(probabilities, offset, axis1=2, axis2=3)
        return shares.mean(axis=-1) if shares.size else np.zeros(probabilities.shape[:2])

    return Heads(
        entropy=-(probabilities * logarithms).sum(axis=-1).mean(axis=-1),
        special=probabilities[..., np.array(special, bool)].sum(axis=-1).mean(axis=-1),
        itself=diagonal(0),
        previous=diagonal(-1),
        following=diagonal(1),
    )
