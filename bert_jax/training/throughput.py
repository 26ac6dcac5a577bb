"""How much arithmetic a step is, and how much a device could do."""

from typing import Any

from bert_jax.model.config import BertConfig
from bert_jax.training.phases import Phase

# Dense bfloat16 peak of one device in FLOP/s, from the makers' data sheets.
PEAK_FLOPS = {
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5": 459e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
    "NVIDIA A100": 312e12,
    "NVIDIA H100": 989e12,
    "NVIDIA H200": 989e12,
}


def flops_per_step(config: BertConfig, phase: Phase, predictions: int) -> float:
    """Count the floating-point operations of the model's products in one step.

    The backward pass is twice the forward one; padding counts, what is recomputed does not.
    `predictions` are the positions of a row at which the vocabulary is scored.
    """
    row = flops_per_row(config, phase.row_length, predictions)
    return 3.0 * phase.batch_size * row


def flops_per_row(config: BertConfig, length: int, predictions: int) -> float:
    """Count the operations of the products in a row's forward pass, two for each multiply-add.

    Args:
        config: the model.
        length: tokens, padding included.
        predictions: positions at which the vocabulary is scored.
    """
    width, wide = config.hidden_size, config.intermediate_size
    layer = 2 * (4 * width**2 + 2 * width * wide) + 4 * length * width  # a token
    head = 2 * (width**2 + width * config.vocab_size)  # a prediction
    return length * layer * config.num_hidden_layers + predictions * head + 2 * width**2


def peak_flops(device: Any) -> float | None:
    """Look up the device's bfloat16 peak in FLOP/s; None where it is not known."""
    kinds = [kind for kind in PEAK_FLOPS if device.device_kind.startswith(kind)]
    return PEAK_FLOPS[max(kinds, key=len)] if kinds else None
