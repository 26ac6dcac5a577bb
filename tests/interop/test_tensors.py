import json
import os
import random
import shutil
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from bert_jax.errors import CheckpointError, DiskError
from bert_jax.interop.tensors import read_safetensors, read_tensors, write_safetensors

GOLDENS = Path(__file__).parent / "goldens"
KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
ARRAYS = {
    "kernel": KERNEL,
    "transposed": KERNEL.T,
    "every_second": KERNEL[:, ::2],
    "scalar": np.array(2.5, np.float32),
    "half": np.arange(4, dtype=np.float16),
    "brain": np.array([0.5, -3.0], ml_dtypes.bfloat16),
    "big_endian": np.arange(3, dtype=">i4"),
}
ONE = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}


def refusal(read, path):
    with pytest.raises(CheckpointError) as error:
        read(path)
    message = str(error.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < 600
    return message


def write_raw(path, header, data=b"\0" * 4, length=None):
    """Write a safetensors file by its description: length of the header, header, numbers."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return path


def write_index(directory, weight_map, name="model.safetensors"):
    path = directory / f"{name}.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return path


# --- writing ---


def test_what_is_written_is_what_was_given(tmp_path):
    write_safetensors(tmp_path / "model.safetensors", ARRAYS)
    found, source = read_tensors(tmp_path)
    assert source == tmp_path / "model.safetensors"
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype.newbyteorder("=")
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
    with safe_open(source, "np") as file:
        assert file.metadata() == {"format": "pt"}
    (tmp_path / "plain").touch()
    assert source.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    target = tmp_path / "model.safetensors"
    (target / "in the way").mkdir(parents=True)
    with pytest.raises(DiskError, match="nothing was written"):
        write_safetensors(target, ARRAYS)
    assert list(tmp_path.iterdir()) == [target]


# --- finding ---


def test_the_first_form_that_is_there_is_read(tmp_path):
    forms = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"]
    save_file({"a": np.float32([1])}, tmp_path / forms[0])
    save_file({"a": np.float32([2])}, tmp_path / "part-1.safetensors")
    write_index(tmp_path, {"a": "part-1.safetensors"})
    for name in ("pytorch_model.bin", "part-1.bin"):
        shutil.copyfile(GOLDENS / "torch_nested.bin", tmp_path / name)
    write_index(tmp_path, {"weight": "part-1.bin", "bias": "part-1.bin"}, "pytorch_model.bin")
    for name in [*forms, "pytorch_model.bin.index.json"]:
        tensors, source = read_tensors(tmp_path)
        assert source == tmp_path / name
        assert tensors.keys() == ({"a"} if "safetensors" in name else {"weight", "bias"})
        source.unlink()
    message = refusal(read_tensors, tmp_path)
    assert all(name in message for name in forms)


def test_a_sharded_file_is_put_together(tmp_path):
    arrays = {f"layer_{i}": np.full(i, i, np.float32) for i in range(1, 6)}
    for part in range(2):
        some = {name: a for name, a in arrays.items() if len(a) % 2 == part}
        save_file(some, tmp_path / f"part-{part}.safetensors")
    weight_map = {name: f"part-{len(a) % 2}.safetensors" for name, a in arrays.items()}
    index = write_index(tmp_path, weight_map)
    tensors, source = read_tensors(tmp_path)
    assert source == index and tensors.keys() == arrays.keys()
    assert all(np.array_equal(tensors[name], arrays[name]) for name in arrays)
    write_index(tmp_path, weight_map | {"layer_9": "part-1.safetensors"})
    assert "none of its files has the tensor 'layer_9'" in refusal(read_tensors, tmp_path)
    shutil.copyfile(tmp_path / "part-0.safetensors", tmp_path / "part-1.safetensors")
    assert "two of its files have a tensor" in refusal(read_tensors, tmp_path)
    (tmp_path / "part-1.safetensors").unlink()
    assert "'part-1.safetensors', which is not in this folder" in refusal(read_tensors, tmp_path)


@pytest.mark.parametrize(
    "name",
    ["../out.safetensors", "{}/out.safetensors", "sub/out.safetensors", "link.safetensors"]
    + ["circle.safetensors", "..", ".", "", "a\0b", "x" * 300],
)
def test_an_index_stays_in_its_folder(tmp_path, name):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path / "out", folder / "sub" / "out", folder / "in"):
        save_file({"a": np.float32([1])}, f"{place}.safetensors")
    (folder / "link.safetensors").symlink_to(tmp_path / "out.safetensors")
    (folder / "circle.safetensors").symlink_to(folder / "circle.safetensors")
    write_index(folder, {"a": name.format(tmp_path)})
    assert "not in this folder" in refusal(read_tensors, folder)
    write_index(folder, {"a": "in.safetensors"})
    assert read_tensors(folder)[0].keys() == {"a"}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', '{"weight_map": {"a": 1}}']
    + ['{"weight_map": {"a": ["b"]}}', "[" * 100_000, "\udcff", '{"weight_map": null}'],
)
def test_an_index_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors.index.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    assert "not an index of weights" in refusal(read_tensors, tmp_path)


# --- files that lie ---


def at(start, end, dtype="F32", shape=(1,)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


TWICE = json.dumps(ONE)[:-1] + ", " + json.dumps(ONE)[1:]
LIES = {
    "empty": (b"", b"", 0),
    "header of 2^63": (b"{}", b"", 1 << 63),
    "header beyond the file": (ONE, b"\0" * 4, 1_000),
    "deep header": (b'{"a":' * 100_000, b"", None),
    "not JSON": (b"\xff" * 8, b"", None),
    "data beyond the file": ({"a": at(0, 8, shape=(2,))}, b"\0" * 4, None),
    "overlap": ({"a": at(0, 4), "b": at(0, 4)}, b"\0" * 4, None),
    "gap": ({"a": at(0, 4), "b": at(8, 12)}, b"\0" * 12, None),
    "data left over": ({"a": at(0, 4)}, b"\0" * 12, None),
    "another size": ({"a": at(0, 4, shape=(2,))}, b"\0" * 4, None),
    "negative": ({"a": at(-4, 0)}, b"\0" * 4, None),
    "shape of 2^80": ({"a": at(0, 4, shape=(1 << 40, 1 << 40))}, b"\0" * 4, None),
    "huge and empty": ({"a": at(0, 0, shape=(1 << 62, 0))}, b"", None),
    "unknown dtype": ({"a": at(0, 4, "F31")}, b"\0" * 4, None),
    "dtype that NumPy lacks": ({"a": at(0, 4, "F8_E4M3", (4,))}, b"\0" * 4, None),
    "one name twice": (TWICE.encode(), b"\0" * 4, None),
    "one name as two dtypes": (TWICE.replace("F32", "I32", 1).encode(), b"\0" * 4, None),
}


@pytest.mark.parametrize("case", LIES)
def test_a_safetensors_file_that_lies_is_refused(tmp_path, case):
    header, data, length = LIES[case]
    refusal(read_safetensors, write_raw(tmp_path / "model.safetensors", header, data, length))


def test_a_raw_file_without_lies_is_read(tmp_path):
    assert read_safetensors(write_raw(tmp_path / "a", ONE)).keys() == {"a"}


def test_every_cut_is_noticed(tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(path, ARRAYS)
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        refusal(read_safetensors, path)


def test_mutations_never_crash(tmp_path):
    draw = random.Random(0)
    path = tmp_path / "model.safetensors"
    write_safetensors(path, ARRAYS)
    content = path.read_bytes()
    refused = 0
    for _ in range(500):
        changed = bytearray(content)
        for _ in range(draw.choice([1, 1, 2, 8])):
            changed[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(changed)
        try:
            read_safetensors(path)
        except CheckpointError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
            refused += 1
    assert refused > 300
