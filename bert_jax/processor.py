"""What this machine's processor can do."""

import functools
from pathlib import Path

from bert_jax.errors import ConfigError

_REFUSED = "Unsupported element type for DotThunk"  # as XLA puts it, once a program runs

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


def refused_product(error: BaseException) -> ConfigError | None:
    """Say what to do where XLA has compiled a product of bfloat16 factors and then cannot run it.

    The products of this model are written so that it does not come to that (`model/precision.py`);
    another version of XLA, or a changed model, may still meet one.
    """
    if _REFUSED not in str(error):
        return None
    return ConfigError(
        "XLA cannot run one of the products in bfloat16 on this processor: "
        "set --config.compute_dtype=float32"
    )
