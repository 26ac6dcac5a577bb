"""A folder's weights, in whichever of the usual files they are."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from bert_jax.errors import CheckpointError, DiskError
from bert_jax.interop.pickled_arrays import read_pickled_arrays
from bert_jax.whole import whole_file

SAFETENSORS = "model.safetensors"
PICKLED = "pytorch_model.bin"


def read_tensors(directory: Path) -> tuple[dict[str, np.ndarray], Path]:
    """Read the tensors of a folder as they are stored, and name the file they came from.

    Of several forms the first of these is taken: safetensors, the same in several files with
    an index, a pickle of torch, the same with an index.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    looked_for = []
    readers = {SAFETENSORS: read_safetensors, PICKLED: read_pickled_arrays}
    for name, read in readers.items():
        whole, index = directory / name, directory / f"{name}.index.json"
        if whole.is_file():
            return read(whole), whole
        if index.is_file():
            return _read_shards(index, read), index
        looked_for += [whole.name, index.name]
    raise CheckpointError(f"{directory}: no weights; looked for {', '.join(looked_for)}")


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Read a safetensors file.

    Raises:
        CheckpointError: it is missing or damaged, or uses a dtype that NumPy lacks.
    """
    try:
        arrays = load_file(path)
        # The library takes the last of two tensors of one name without a word.
        with open(path, "rb") as file:
            header = file.read(int.from_bytes(file.read(8), "little"))
        json.loads(header, object_pairs_hook=_without_repeats)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from None
    except (SafetensorError, ValueError, TypeError, AttributeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: {reason}; fetch the file anew") from None
    return arrays


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file that Hugging Face's tools read, whole or not at all.

    Raises:
        DiskError: the file system refused it.
    """
    # The library stores the bytes of an array as they lie, wrong numbers for a transposed one;
    # transformers wants the note. Its own writer leaves a file that others may not read.
    dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content = save(dense, metadata={"format": "pt"})
    try:
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror}; nothing was written") from None


def _read_shards(
    index: Path, read: Callable[[Path], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Read the files that an index names; it has to name them all, and its own folder's only."""
    try:
        weight_map = json.loads(index.read_bytes())["weight_map"]
        names = list(dict.fromkeys(weight_map.values()))
        if not names or not all(isinstance(name, str) for name in names):
            raise TypeError
    except OSError as error:
        raise CheckpointError(f"{index}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CheckpointError(
            f"{index}: not an index of weights, which has the file of each tensor in weight_map"
        ) from None
    arrays: dict[str, np.ndarray] = {}
    for name in names:
        for tensor, array in read(_beside(index, name)).items():
            if tensor in arrays:
                raise CheckpointError(f"{index}: two of its files have a tensor {tensor!r}")
            arrays[tensor] = array
    for tensor in weight_map:
        if tensor not in arrays:
            raise CheckpointError(f"{index}: none of its files has the tensor {tensor!r}")
    return arrays


def _beside(index: Path, name: str) -> Path:
    """Return the file of this name in the index's folder, which it may not leave."""
    try:
        path = index.with_name(name)
        inside = path.is_file() and path.resolve().parent == index.parent.resolve()
    except (OSError, ValueError, RuntimeError):  # no name of a file, or links in a circle
        path, inside = index, False
    if not inside:
        raise CheckpointError(
            f"{index}: it names the file {name[:100]!r}, which is not in this folder; put all "
            "files of the weights side by side"
        )
    return path


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("two tensors of one name")
    return values
