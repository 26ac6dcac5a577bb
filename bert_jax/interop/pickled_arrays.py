"""What `torch.save` wrote, read without torch and without running anything.

Since torch 1.6 a file is a zip archive: `data.pkl` describes the tensors, `data/<key>` are the
numbers. Before, it was pickles one after the other, then the numbers. In both a tensor is a
view of a storage, and storages are named by a key.
"""

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
from numpy.lib.stride_tricks import as_strided

from bert_jax.errors import CheckpointError
from bert_jax.interop.shapes import count_elements
from bert_jax.interop.unpickling import InertUnpickler, Name

_LARGEST_PICKLE = 1 << 21  # bytes; the description of BERT large has about 60 thousand
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_DTYPES = {
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}
# What the library raises for an archive that is damaged, or that uses more than torch does.
_OF_ZIPFILE = (zipfile.BadZipFile, RuntimeError, EOFError, OverflowError, struct.error)


@dataclass(frozen=True)
class _Storage:
    """Numbers in a row, in the file under a key."""

    key: str
    dtype: np.dtype
    elements: int

    @property
    def nbytes(self) -> int:
        return self.elements * self.dtype.itemsize


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage; offset and strides in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, data: bytes) -> np.ndarray:
        """Return the array, which shares the storage's bytes."""
        elements, dtype = count_elements(self.shape), self.storage.dtype
        if elements == 0:
            return np.zeros(self.shape, dtype)
        # A dimension of one element never takes its step, which may be anything.
        steps = [
            step if size > 1 else 0 for size, step in zip(self.shape, self.strides, strict=True)
        ]
        last = self.offset + sum(
            (size - 1) * step for size, step in zip(self.shape, steps, strict=True)
        )
        if elements > self.storage.elements or last >= self.storage.elements:
            raise ValueError("a tensor reaches beyond its storage")
        flat = np.frombuffer(data, dtype)[self.offset :]
        return as_strided(flat, self.shape, [step * dtype.itemsize for step in steps])


class _TorchUnpickler(InertUnpickler):
    """Makes descriptions of tensors, and notes the storages they need.

    Attributes:
        storages: by their keys.
    """

    allowed = frozenset(_DTYPES) | {
        "collections.OrderedDict",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
    }

    def __init__(self) -> None:
        self.storages: dict[str, _Storage] = {}

    def build(self, name: str, arguments: tuple[Any, ...]) -> Any:
        match name, arguments:
            case "collections.OrderedDict", ():
                return {}
            case "collections.OrderedDict", (list(pairs),):  # Python 2 wrote them so
                if all(isinstance(pair, list) and isinstance(pair[0], str) for pair in pairs):
                    return {key: value for key, value in pairs}
            case "torch._utils._rebuild_parameter", (_Tensor() as tensor, *_):
                return tensor
            case (
                "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2",
                (_Storage() as storage, int(offset), tuple(shape), tuple(strides), *_),
            ):
                numbers = (offset, *shape, *strides)
                if len(shape) == len(strides) and all(
                    isinstance(number, int) and number >= 0 for number in numbers
                ):
                    return _Tensor(storage, offset, shape, strides)
        raise ValueError(f"{name} with arguments that it does not take")

    def refer(self, persistent_id: Any) -> _Storage:
        match persistent_id:
            # The device it was on does not matter; before 1.6 a sixth place, always empty.
            case ("storage", Name(text), str(key), str(), int(elements), *view) if (
                text in _DTYPES and elements >= 0 and view in ([], [None])
            ):
                storage = _Storage(key, _DTYPES[text], elements)
                if self.storages.setdefault(key, storage) != storage:
                    raise ValueError(f"the storage {key[:40]!r} is described in two ways")
                return storage
        raise ValueError("a tensor whose numbers lie nowhere")


def read_pickled_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a pytorch_model.bin, by their names; halves stay halves.

    Tensors that share numbers in the file share them in memory, and none can be written to.

    Raises:
        CheckpointError: the file is missing, damaged, or holds other things than weights.
    """
    try:
        with open(path, "rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            tree, data = _read_zip(file) if is_zip else _read_legacy(file)
        return _arrays(tree, data)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from None
    except (ValueError, *_OF_ZIPFILE) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: {reason}; fetch the file anew, or convert it to model.safetensors"
        ) from None


def _arrays(tree: Any, data: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """Turn descriptions of tensors into arrays; a training checkpoint has them one level down."""
    if isinstance(tree, dict) and isinstance(tree.get("state_dict"), dict):
        tree = tree["state_dict"]
    if not isinstance(tree, dict) or not tree:
        raise ValueError(
            "holds no tensors by name, as `torch.save(model.state_dict())` writes them"
        )
    arrays = {}
    for name, tensor in tree.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise ValueError(f"{str(name)[:100]!r} is no tensor")
        arrays[name] = tensor.view(data[tensor.storage.key])
    return arrays


def _read_zip(file: BinaryIO) -> tuple[Any, dict[str, bytes]]:
    """Read the form since torch 1.6; the archive's checksums are verified."""
    with zipfile.ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        size = file.seek(0, io.SEEK_END)
        if len(members) != len(archive.infolist()):
            raise ValueError("an archive with two members of one name")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
            raise ValueError("a compressed archive, which torch does not write")
        if sum(member.file_size for member in members.values()) > size:
            raise ValueError("an archive that claims to be larger than its file")

        def read(name: str, most: int) -> bytes:
            if name not in members:
                raise ValueError(f"the archive has no {name[-100:]!r}")
            if members[name].file_size > most:
                raise ValueError(f"{name[-100:]!r} has over {most:,} bytes")
            return archive.read(name)

        names = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError("a zip archive, but not one of torch.save")
        root = names[0].removesuffix("data.pkl")
        if f"{root}byteorder" in members and read(f"{root}byteorder", 16) != b"little":
            raise ValueError("written by a big-endian machine, which is not supported")
        unpickler = _TorchUnpickler()
        tree = unpickler.load(io.BytesIO(read(names[0], _LARGEST_PICKLE)))
        data = {}
        for key, storage in unpickler.storages.items():
            data[key] = read(f"{root}data/{key}", storage.nbytes)
            if len(data[key]) != storage.nbytes:
                raise ValueError(
                    f"storage {key!r} has {len(data[key])} bytes, not {storage.nbytes}"
                )
    return tree, data


def _read_legacy(file: BinaryIO) -> tuple[Any, dict[str, bytes]]:
    """Read the form before torch 1.6, which has no checksums."""
    head = io.BytesIO(file.read(_LARGEST_PICKLE))
    unpickler = _TorchUnpickler()
    if unpickler.load(head) != _LEGACY_MAGIC or unpickler.load(head) != _LEGACY_PROTOCOL:
        raise ValueError("not a file of torch.save")
    machine = unpickler.load(head)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ValueError("written by a big-endian machine, which is not supported")
    tree, keys = unpickler.load(head), unpickler.load(head)
    if not _lists(keys, unpickler.storages):
        raise ValueError("its list of storages is not of those that its tensors need")
    size = file.seek(0, io.SEEK_END)
    file.seek(head.tell())
    data = {}
    for key in keys:
        storage = unpickler.storages[key]
        elements = int.from_bytes(file.read(8), "little")
        if elements != storage.elements or storage.nbytes > size - file.tell():
            raise ValueError(f"cut off or damaged at storage {key!r}")
        data[key] = file.read(storage.nbytes)
    return tree, data


def _lists(keys: Any, storages: Mapping[str, _Storage]) -> bool:
    """Return whether keys are a list of all storages, each once."""
    return (
        isinstance(keys, list)
        and len(keys) == len(storages)
        and all(isinstance(key, str) for key in keys)
        and set(keys) == set(storages)
    )
