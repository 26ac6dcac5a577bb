"""What this machine's processor can do."""

import functools
from pathlib import Path

# Instructions that multiply pairs of bfloat16 numbers and sum in float32, as Linux names them.
_BFLOAT16 = {"amx_bf16", "avx512_bf16"}


@functools.cache
def multiplies_bfloat16() -> bool:
    """Whether products of bfloat16 factors are faster here than those of float32.

    Without such units XLA refuses some of them ("Unsupported element type"). False where the system
    does not tell.
    """
    try:
        return not _BFLOAT16.isdisjoint(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
