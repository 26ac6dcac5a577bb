"""The architecture, out of a published config file."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bert_jax.errors import CheckpointError
from bert_jax.model.config import BertConfig

# What a field is where the file is silent: transformers' defaults, which are BERT base.
_DEFAULTS: dict[str, Any] = {
    "vocab_size": 30_522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3_072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "tie_word_embeddings": True,
}
# Names of the same function. "gelu" is the exact form in all published checkpoints.
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "gelu_python_tanh": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_accurate": "gelu_new",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
_KINDS = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
_LARGEST = 2**31 - 1


def read_object(path: Path) -> dict[str, Any]:
    """Read a file that is to hold one JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0] or "nested too deeply"
        raise CheckpointError(f"{path}: not JSON ({reason})") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: got a JSON {type(value).__name__}, wants an object")
    return value


def read_architecture(values: Mapping[str, Any], path: Path) -> BertConfig:
    """Make the config that a published file describes.

    Args:
        values: what the file says; fields unknown here are passed over.
        path: the file, for messages.

    Raises:
        CheckpointError: a field has an unusable value.
    """
    fields = {name: _field(values, name, default, path) for name, default in _DEFAULTS.items()}
    if fields["hidden_act"] not in _ACTIVATIONS:
        raise CheckpointError(
            f"{path}: hidden_act={_short(fields['hidden_act'])}, wants one of "
            f"{', '.join(_ACTIVATIONS)}"
        )
    fields["hidden_act"] = _ACTIVATIONS[fields["hidden_act"]]
    try:
        return BertConfig(**fields)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None


def describe_architecture(config: BertConfig) -> dict[str, Any]:
    """Return the fields that `read_architecture` makes this config from."""
    return {name: value for name, value in dataclasses.asdict(config).items() if name in _DEFAULTS}


def _field(values: Mapping[str, Any], name: str, default: Any, path: Path) -> Any:
    value, kind = values.get(name, default), type(default)
    if kind is float and type(value) is int:
        value = float(value) if abs(value) <= _LARGEST else math.inf
    if type(value) is not kind:
        raise CheckpointError(f"{path}: {name}={_short(value)}, wants {_KINDS[kind]}")
    if kind is int and not 1 <= value <= _LARGEST:
        raise CheckpointError(f"{path}: {name}={_short(value)}, wants 1 to {_LARGEST}")
    if kind is float and not 0 <= value < math.inf:
        raise CheckpointError(f"{path}: {name}={value}, wants a finite number, 0 or more")
    return value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
