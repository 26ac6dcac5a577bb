"""Checkpoints of google-research/bert: a bundle of variables beside bert_config.json."""

import re
from collections.abc import Set
from pathlib import Path

from bert_jax.errors import CheckpointError
from bert_jax.interop.architecture import read_architecture, read_object
from bert_jax.interop.layout import arrange
from bert_jax.interop.names import TENSORFLOW, Place
from bert_jax.interop.published import Published
from bert_jax.interop.tensor_bundle import bundle_prefix, read_bundle

_STEP = re.compile(r"\.ckpt-([0-9]+)$")
_NO_WEIGHTS = (
    (re.compile(r"/(adam|lamb)_[mv]$|/(Adam|Momentum)(_[0-9]+)?$"), "optimizer state"),
    (re.compile(r"^(global_step|beta[12]_power)$"), "counts steps"),
)


def is_tensorflow(path: Path) -> bool:
    """Say whether a folder holds such a checkpoint, or a path is the prefix of one."""
    return _find_prefix(path) is not None


def read_tensorflow(path: Path) -> Published:
    """Read a checkpoint of Google's code with the bert_config.json and vocab.txt beside it.

    Args:
        path: a folder, of which the latest step is taken, or the prefix of a checkpoint's files.

    Raises:
        CheckpointError: there is none, it is damaged, or config and variables do not agree.
    """
    prefix = _find_prefix(path)
    if prefix is None:
        raise CheckpointError(f"{path}: no checkpoint there; wants bert_model.ckpt.index or alike")
    config_path = prefix.parent / "bert_config.json"
    if not config_path.is_file():
        raise CheckpointError(
            f"{config_path}: no such file; copy it there from the model that this one began from"
        )
    config = read_architecture(read_object(config_path), config_path)
    tensors = read_bundle(prefix)
    places = {name: TENSORFLOW.ours(name) or _reason(name) for name in tensors}
    found = {
        place.path: tensors[name] for name, place in places.items() if isinstance(place, Place)
    }
    kind = _kind(found.keys())
    labels = ()
    if kind == "sequence_classification":
        labels = tuple(f"LABEL_{i}" for i in range(found["classifier/bias"].size))
    index = prefix.with_name(f"{prefix.name}.index")
    arrays, unused = arrange(tensors, places, kind, config, len(labels), str(index))
    tokenizer = prefix.parent if (prefix.parent / "vocab.txt").is_file() else None
    return Published(config, kind, labels, arrays, unused, tokenizer, index)


def _find_prefix(path: Path) -> Path | None:
    """Return what the names of the files of a checkpoint begin with, None where there is none."""
    if path.is_dir():
        prefixes = [file.with_suffix("") for file in sorted(path.glob("*.ckpt*.index"))]
        return max(prefixes, key=_step, default=None)
    prefix = bundle_prefix(path)
    return prefix if prefix.with_name(f"{prefix.name}.index").is_file() else None


def _step(prefix: Path) -> int:
    match = _STEP.search(prefix.name)
    return int(match[1]) if match else -1


def _reason(name: str) -> str:
    reasons = (reason for pattern, reason in _NO_WEIGHTS if pattern.search(name))
    return next(reasons, "no such part in a BERT")


def _kind(paths: Set[str]) -> str:
    """Google's code names no class: the heads in the file decide."""
    heads = {path.split("/")[0] for path in paths}
    if "span" in heads:
        return "question_answering"
    if "classifier/bias" in paths:
        return "sequence_classification"
    return "pretraining" if heads & {"masked_language_model", "next_sentence"} else "encoder"
