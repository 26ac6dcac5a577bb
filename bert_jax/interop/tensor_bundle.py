"""TensorFlow's checkpoints ("V2", tensor bundles): an index of tensors, and shards of raw numbers.

The index is a sorted table of protocol buffers: a header under the empty key, then an entry for
each tensor (tensorflow/core/protobuf/tensor_bundle.proto). Everything has a checksum, and all of
them are verified.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from bert_jax.errors import CheckpointError
from bert_jax.interop.shapes import count_elements
from bert_jax.interop.sorted_table import masked_crc32c, read_table
from bert_jax.interop.wire import read_fields

_LARGEST_INDEX = 1 << 22  # bytes; that of BERT with an optimizer's slots has 50 thousand
_DTYPES = {  # numbers of tensorflow/core/framework/types.proto
    1: np.dtype("<f4"),
    2: np.dtype("<f8"),
    3: np.dtype("<i4"),
    9: np.dtype("<i8"),
    14: np.dtype(ml_dtypes.bfloat16),
    19: np.dtype("<f2"),
}


@dataclass(frozen=True)
class _Entry:
    """Where a tensor lies.

    Attributes:
        offset: bytes from the beginning of its shard.
        size: bytes.
        checksum: masked CRC-32C of these bytes.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int


def bundle_prefix(path: Path) -> Path:
    """Return what all files of a bundle begin with, given that or any of them."""
    name = re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path.name)
    return path.with_name(name) if name else path


def read_bundle(prefix: Path) -> dict[str, np.ndarray]:
    """Read all tensors of a checkpoint by their names.

    Tensors of other things than floats, int32 and int64 (the strings in which newer checkpoints
    describe their objects) are left out.

    Args:
        prefix: "…/bert_model.ckpt", or one of the files that begin so.

    Raises:
        CheckpointError: a file is missing, is of another format, or is damaged.
    """
    prefix = bundle_prefix(prefix)
    index = prefix.with_name(f"{prefix.name}.index")
    try:
        with open(index, "rb") as file:
            content = file.read(_LARGEST_INDEX + 1)
    except OSError as error:
        raise CheckpointError(
            f"{index}: {error.strerror}; a TensorFlow checkpoint is an .index file and one or "
            "more .data files side by side"
        ) from None
    try:
        if len(content) > _LARGEST_INDEX:
            raise ValueError(f"over {_LARGEST_INDEX:,} bytes, which no index of a BERT has")
        shards, entries = _read_index(content)
    except ValueError as error:
        raise CheckpointError(f"{index}: {error}; fetch the checkpoint anew") from None
    arrays = {}
    for shard in sorted({entry.shard for entry in entries}):
        path = prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")
        arrays |= _read_shard(path, [entry for entry in entries if entry.shard == shard])
    return {entry.name: arrays[entry.name] for entry in entries}


def _read_index(content: bytes) -> tuple[int, list[_Entry]]:
    """Return the number of shards, and the tensors in the order of their names."""
    table = read_table(content)
    name, value = next(table, (None, b""))
    if name != b"":
        raise ValueError("no header")
    header = read_fields(value)
    if _number(header, 2) != 0:
        raise ValueError("written by a big-endian machine, which is not supported")
    if _number(read_fields(_bytes(header, 3)), 2) > 1:  # VersionDef.min_consumer
        raise ValueError("a newer format than version 1")
    shards = _number(header, 1)
    entries = [entry for key, value in table if (entry := _read_entry(key, value)) is not None]
    for entry in entries:
        if entry.shard >= shards:
            raise ValueError(f"{entry.name!r} is in shard {entry.shard} of {shards}")
    return shards, entries


def _read_entry(key: bytes, value: bytes) -> _Entry | None:
    """Read a BundleEntryProto; None for a tensor that holds no numbers."""
    fields = read_fields(value)
    dtype = _DTYPES.get(_number(fields, 1))
    if dtype is None:
        return None
    name = key.decode()
    if 7 in fields:
        raise ValueError(f"{name!r} is stored in slices, which is not supported")
    shape = read_fields(_bytes(fields, 2))
    sizes = tuple(_number(read_fields(_as_bytes(dim)), 1) for dim in shape.get(2, []))
    size = _number(fields, 5)
    if count_elements(sizes) * dtype.itemsize != size:
        raise ValueError(f"{name!r} has the shape {sizes} and {size} bytes of {dtype}")
    shard, offset, checksum = (_number(fields, number) for number in (3, 4, 6))
    return _Entry(name, dtype, sizes, shard, offset, size, checksum)


def _read_shard(path: Path, entries: list[_Entry]) -> dict[str, np.ndarray]:
    """Read the tensors of one file."""
    arrays, end = {}, 0
    try:
        with open(path, "rb") as file:
            length = path.stat().st_size
            for entry in sorted(entries, key=lambda entry: entry.offset):
                if entry.offset + entry.size > length:
                    raise ValueError(f"cut off: {entry.name!r} would lie beyond its end")
                if entry.offset < end:  # or a small file could ask for endless memory
                    raise ValueError(f"{entry.name!r} lies across another tensor")
                end = entry.offset + entry.size
                file.seek(entry.offset)
                data = file.read(entry.size)
                if masked_crc32c(data) != entry.checksum:
                    raise ValueError(
                        f"{entry.name!r} has another checksum than when it was written"
                    )
                arrays[entry.name] = np.frombuffer(data, entry.dtype).reshape(entry.shape)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; the checkpoint needs this file") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}; fetch the checkpoint anew") from None
    return arrays


def _number(fields: dict[int, list[int | bytes]], number: int) -> int:
    """Return a field that holds a number, 0 where it is absent, as protocol buffers have it."""
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {number} is no number")
    return value


def _bytes(fields: dict[int, list[int | bytes]], number: int) -> bytes:
    """Return a field that holds a message, an empty one where it is absent."""
    return _as_bytes(fields.get(number, [b""])[-1])


def _as_bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number in the place of a message")
    return value
