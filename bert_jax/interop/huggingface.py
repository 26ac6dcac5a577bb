"""Folders of Hugging Face `transformers`, read and written."""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.errors import CheckpointError, ConfigError
from bert_jax.interop.architecture import describe_architecture, read_architecture, read_object
from bert_jax.interop.classes import (
    LABELLED,
    describe_labels,
    find_class,
    has_part,
    read_kind,
    read_labels,
)
from bert_jax.interop.families import FAMILIES
from bert_jax.interop.layout import arrange
from bert_jax.interop.names import Place
from bert_jax.interop.prelayernorm import with_padding_rows, without_padding_rows
from bert_jax.interop.published import Published
from bert_jax.interop.tensors import PICKLED, SAFETENSORS, read_tensors, write_safetensors
from bert_jax.model.config import BertConfig
from bert_jax.whole import whole_folder, write_json

_TOKENIZERS = ("vocab.txt", "tokenizer.json", "tokenizer.model", "spiece.model")
# Fields that change what is computed, with the only value that is BERT.
_REQUIRED = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}
# Parameters with a row for each word piece.
_VOCABULARY = (
    "bert/embeddings/token/embedding",
    "masked_language_model/decoder",
    "masked_language_model/bias",
)


def is_huggingface(directory: Path) -> bool:
    """Say whether a folder holds a config.json with weights beside it."""
    files = [
        directory / f"{name}{index}"
        for name in (SAFETENSORS, PICKLED)
        for index in ("", ".index.json")
    ]
    return (directory / "config.json").is_file() and any(file.is_file() for file in files)


def read_huggingface(directory: Path) -> Published:
    """Read a folder that `transformers` wrote: config.json, weights, tokenizer.

    Weights that are missing are absent from `arrays`; nothing is made up.

    Raises:
        CheckpointError: another architecture, or config and weights do not agree.
    """
    path = directory / "config.json"
    values = read_object(path)
    model_type = _model_type(values, path)
    config = read_architecture(values, path)
    tensors, source = read_tensors(directory)
    places, tied = FAMILIES[model_type].read(tensors, config.tie_word_embeddings)
    config = dataclasses.replace(config, tie_word_embeddings=tied)
    found = {
        place.path: tensors[name] for name, place in places.items() if isinstance(place, Place)
    }
    kind = read_kind(values, found.keys(), path)
    labels = ()
    if kind in LABELLED:
        bias = found.get("classifier/bias")
        labels = read_labels(values, 2 if bias is None else bias.size, path)
    arrays, unused = arrange(tensors, places, kind, config, len(labels), str(source))
    if model_type == "roberta-prelayernorm":
        config, arrays = without_padding_rows(config, arrays, values, path)
    tokenizer = directory if any((directory / name).is_file() for name in _TOKENIZERS) else None
    return Published(config, kind, labels, arrays, unused, tokenizer, source)


def write_huggingface(
    directory: Path,
    config: BertConfig,
    kind: str,
    labels: Sequence[str],
    params: Mapping[str, Any],
    tokenizer: Tokenizer | None,
) -> tuple[str, ...]:
    """Write a folder that `transformers` loads, whole or not at all.

    Vocabulary rows beyond the tokenizer's are left out. A pre-norm model becomes a
    RoBERTa-PreLayerNorm, as an encoder or for fill-mask.

    Args:
        directory: does not exist yet, or is empty.
        kind: a key of `bert_jax.model.KINDS`.
        labels: names of the classes of a classifier, LABEL_0 and so on where there are none.
        params: arrays, nested or by path.
        tokenizer: None leaves its files out.

    Returns:
        The paths of those parameters that have no place in the class of `transformers`.

    Raises:
        ConfigError: the folder is taken, or the model has no counterpart in `transformers`.
    """
    directory = Path(os.path.abspath(directory))
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise ConfigError(f"{directory}: exists and is not empty; remove it or choose another")
    arrays = dict(_flat(params))
    model_type, pad_id, length = "bert", 0, config.max_position_embeddings
    if tokenizer is not None:
        config, arrays = _fit_vocabulary(config, arrays, tokenizer.vocab_size)
        pad_id = tokenizer.pad_id
    if config.normalization == "pre":
        model_type = "roberta-prelayernorm"
        config, arrays = with_padding_rows(config, arrays, kind, pad_id)
    model_class = find_class(model_type, kind, arrays.keys())
    kept = {path: array for path, array in arrays.items() if has_part(model_class, path)}
    values = {
        "architectures": [model_class],
        "model_type": model_type,
        **describe_architecture(config),
        **(describe_labels(labels, kept["classifier/bias"].size) if kind in LABELLED else {}),
        "pad_token_id": pad_id,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": "float32",
    }
    with whole_folder(directory) as partial:
        if tokenizer is not None:
            tokenizer.save(partial)
            _limit_length(partial / "tokenizer_config.json", length)
        write_json(partial / "config.json", values)
        write_safetensors(partial / SAFETENSORS, FAMILIES[model_type].write(kept, kind))
    return tuple(sorted(arrays.keys() - kept.keys()))


def _model_type(values: Mapping[str, Any], path: Path) -> str:
    model_type = values.get("model_type", "bert")  # files of 2019 do not say
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise CheckpointError(
            f"{path}: model_type={model_type!r}, wants one of {', '.join(FAMILIES)}"
        )
    for name, wanted in _REQUIRED.items():
        if values.get(name, wanted) != wanted:
            raise CheckpointError(
                f"{path}: {name}={values[name]!r} is not a BERT's, which has {wanted!r}"
            )
    return model_type


def _flat(params: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}/")
        else:
            yield above + name, np.asarray(value, np.float32)


def _fit_vocabulary(
    config: BertConfig, arrays: dict[str, np.ndarray], size: int
) -> tuple[BertConfig, dict[str, np.ndarray]]:
    """Leave out the rows that only round the vocabulary up."""
    if size > config.vocab_size:
        raise ConfigError(
            f"the tokenizer has {size} pieces, the model vocab_size={config.vocab_size}: they do "
            "not belong together"
        )
    cut = {path: arrays[path][:size] for path in _VOCABULARY if path in arrays}
    return dataclasses.replace(config, vocab_size=size), arrays | cut


def _limit_length(path: Path, length: int) -> None:
    """Let the tokenizer truncate to what the model has positions for."""
    values = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, values | {"model_max_length": length})
