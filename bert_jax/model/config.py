"""What a BERT is made of, and how it is to be computed."""

import dataclasses
from collections.abc import Callable

import jax
from jaxtyping import Array, Float

from bert_jax.model.placement import Apart, Constrain, anywhere, whole
from bert_jax.model.precision import product

ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu")
INITIALIZERS = ("truncated_normal", "normal")
NORMALIZATIONS = ("post", "pre")
ATTENTIONS = ("plain", "short", "cudnn", "splash")
REMATERIALIZATIONS = ("none", "dots", "layer")
COMPUTE_DTYPES = ("float32", "bfloat16")

# Far above any model there is: what is more was never meant, and nobody should allocate it.
LARGEST = {
    "vocab_size": 2**24,
    "hidden_size": 2**16,
    "num_hidden_layers": 2**10,
    "num_attention_heads": 2**12,
    "intermediate_size": 2**20,
    "max_position_embeddings": 2**20,
    "type_vocab_size": 2**16,
}


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """The architecture: everything that decides shapes and outputs, and nothing else.

    Names are those of published checkpoints.

    Raises:
        ValueError: a value is out of range, or heads do not divide the hidden size.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer: str = "truncated_normal"
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    normalization: str = "post"
    tie_word_embeddings: bool = True

    def __post_init__(self) -> None:
        for name, largest in LARGEST.items():
            size = getattr(self, name)
            if not 1 <= size <= largest:
                raise ValueError(f"{name}={size} must be from 1 to {largest}")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} is not a multiple of "
                f"num_attention_heads={self.num_attention_heads}"
            )
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be in [0, 1)")
        _one_of("hidden_act", self.hidden_act, ACTIVATIONS)
        _one_of("initializer", self.initializer, INITIALIZERS)
        _one_of("normalization", self.normalization, NORMALIZATIONS)

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads


@dataclasses.dataclass(frozen=True)
class Execution:
    """How the same numbers are computed: precision, memory against time, and on which devices.

    `compute_dtype` is that of products' factors, `activation_dtype` that of what products and
    LayerNorms give: what lies in memory from one to the next.
    `rematerialize` says what of a layer is kept for the backward pass: all ("none"), what its dense
    layers give ("dots"), or its input alone ("layer"); the rest is computed again. `attention` that
    is not "plain" is a fused kernel, see `fused_attention`. `constrain` is called with the
    activations that decide what devices send each other, `apart` with what XLA cannot cut.

    Raises:
        ValueError: a value is not one of those known.
    """

    compute_dtype: str = "float32"
    activation_dtype: str = "float32"
    scan_layers: bool = False
    rematerialize: str = "none"
    attention: str = "plain"
    constrain: Constrain = anywhere
    apart: Apart = whole

    def __post_init__(self) -> None:
        _one_of("compute_dtype", self.compute_dtype, COMPUTE_DTYPES)
        _one_of("activation_dtype", self.activation_dtype, COMPUTE_DTYPES)
        _one_of("rematerialize", self.rematerialize, REMATERIALIZATIONS)
        _one_of("attention", self.attention, ATTENTIONS)

    def product(
        self, subscripts: str, x: Float[Array, "..."], y: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """Contract two arrays into one that the next part of the model takes."""
        return product(subscripts, x, y, self.compute_dtype, self.activation_dtype)

    def elementwise(self, function: Callable[..., Array]) -> Callable[..., Array]:
        """Wrap what is computed element by element, or row by row, between products.

        Where they lie in memory in two bytes, its arguments alone are kept for the backward pass:
        computing it again costs less than writing its insides down and reading them.
        """
        return jax.checkpoint(function) if self.activation_dtype == "bfloat16" else function

    @property
    def of_scores(self) -> "Execution":
        """The same for what is scored and goes into a loss: it stays float32."""
        return dataclasses.replace(self, activation_dtype="float32")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(known)}")


def _size(num_hidden_layers: int, hidden_size: int) -> dict[str, int]:
    return {
        "num_hidden_layers": num_hidden_layers,
        "hidden_size": hidden_size,
        "num_attention_heads": hidden_size // 64,
        "intermediate_size": 4 * hidden_size,
    }


# Turc et al. 2019 (arXiv:1908.08962) for the small ones, Devlin et al. 2018 for base and large.
SIZES = {
    "tiny": _size(2, 128),
    "mini": _size(4, 256),
    "small": _size(4, 512),
    "medium": _size(8, 512),
    "base": _size(12, 768),
    "large": _size(24, 1024),
}
