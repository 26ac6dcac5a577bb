"""Pre-norm models as RoBERTa-PreLayerNorm, the only encoder of `transformers` that equals ours.

The layers are the same. It counts positions from the id of [PAD] plus one, so its table has that
many rows before ours, which no token uses; and its fill-mask head knows only the exact GELU.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.errors import CheckpointError, ConfigError
from bert_jax.model.config import BertConfig

_POSITIONS = "bert/embeddings/position/embedding"
_Arrays = dict[str, np.ndarray]


def without_padding_rows(
    config: BertConfig, arrays: _Arrays, values: Mapping[str, Any], path: Path
) -> tuple[BertConfig, _Arrays]:
    """Turn what was read into a pre-norm model of ours.

    Args:
        config: as published, which counts the rows before ours.
        values: config.json, for `pad_token_id`.
        path: config.json, for messages.

    Raises:
        CheckpointError: no row would be left, or the head would compute something else.
    """
    pad_id = values.get("pad_token_id", 1)
    if type(pad_id) is not int or not 0 <= pad_id < config.max_position_embeddings - 1:
        raise CheckpointError(
            f"{path}: pad_token_id={pad_id!r}, wants 0 to {config.max_position_embeddings - 2}, "
            "since positions are counted from it"
        )
    if config.hidden_act != "gelu" and any("masked_language_model" in p for p in arrays):
        raise CheckpointError(
            f"{path}: hidden_act={config.hidden_act}, but this model's head always uses gelu; "
            "here both are one"
        )
    if _POSITIONS in arrays:
        arrays = arrays | {_POSITIONS: arrays[_POSITIONS][pad_id + 1 :]}
    length = config.max_position_embeddings - pad_id - 1
    return dataclasses.replace(config, max_position_embeddings=length, normalization="pre"), arrays


def with_padding_rows(
    config: BertConfig, arrays: _Arrays, kind: str, pad_id: int
) -> tuple[BertConfig, _Arrays]:
    """Turn a pre-norm model of ours into what is to be written.

    Raises:
        ConfigError: it has no exact counterpart.
    """
    if kind not in ("encoder", "pretraining"):
        raise ConfigError(
            f"a {kind} model with normalization=pre has no counterpart in transformers: export "
            "the pretrained one, or train with normalization=post"
        )
    if kind == "pretraining" and config.hidden_act != "gelu":
        raise ConfigError(
            f"normalization=pre with hidden_act={config.hidden_act} has no counterpart in "
            "transformers, whose pre-norm head knows only gelu"
        )
    positions = arrays[_POSITIONS]
    unused = np.zeros((pad_id + 1, positions.shape[1]), np.float32)
    arrays = arrays | {_POSITIONS: np.concatenate([unused, positions])}
    return dataclasses.replace(config, max_position_embeddings=len(arrays[_POSITIONS])), arrays
