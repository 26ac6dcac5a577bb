"""Where several sequences stand that share a row."""

from typing import NamedTuple

from jaxtyping import Array, Int


class Packing(NamedTuple):
    """Which sequence each token of a row belongs to, and where sequences begin; a pytree."""

    segments: Int[Array, "B T"]  # 1 for the tokens of a row's first sequence, then 2; 0: padding
    positions: Int[Array, "B T"]  # of a token in its sequence
    starts: Int[Array, "B K"]  # place of each [CLS]; any place where there is no sequence
