import os
import random
import re
import shutil
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from bert_jax.errors import CheckpointError
from bert_jax.interop.tensor_bundle import read_bundle

NUMBERS = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bfloat16": 14, "float16": 19}
TOY = Path(__file__).resolve().parents[3] / "shared" / "data" / "weights" / "tf1-toy"
ARRAYS = {
    "bert/dense/bias": np.array([1.5, -2.0], np.float32),
    "bert/dense/kernel": np.arange(6, dtype=np.float64).reshape(2, 3),
    "bert/dense/kernel/brain": np.array([0.5, 3.0], ml_dtypes.bfloat16),
    "bert/dense/kernel/half": np.array([[0.25], [4.0]], np.float16),
    "global_step": np.array(20, np.int64),
    "ids": np.arange(3, dtype=np.int32),
}


# --- the format once more, from its description: a writer of bundles ---


def crc32c(data):
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ 0x82F63B78 * (remainder & 1)
    return remainder ^ 0xFFFFFFFF


def masked(data):
    checksum = crc32c(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) % (1 << 32)


def varint(number):
    more, last = [], number
    while last > 0x7F:
        more.append(last & 0x7F | 0x80)
        last >>= 7
    return bytes([*more, last])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(dtype, shape, shard, offset, size, checksum):
    dims = b"".join(field(2, field(1, dim)) for dim in shape)
    places = field(3, shard) + field(4, offset) + field(5, size)
    return field(1, dtype) + field(2, dims) + places + struct.pack("<BI", 6 << 3 | 5, checksum)


def block(pairs, compression=0):
    body, previous = b"", b""
    for key, value in pairs:
        shared = len(os.path.commonprefix([previous, key]))
        fresh = key[shared:]
        body += varint(shared) + varint(len(fresh)) + varint(len(value)) + fresh + value
        previous = key
    body += struct.pack("<II", 0, 1)  # one whole key, at 0
    kind = bytes([compression])
    return body + kind + struct.pack("<I", masked(body + kind))


def table(pairs, per_block, compression=0):
    content, handles = b"", []
    for first in range(0, len(pairs), per_block):
        part = block(pairs[first : first + per_block], compression)
        last = pairs[min(first + per_block, len(pairs)) - 1][0]
        handles.append((last, varint(len(content)) + varint(len(part) - 5)))
        content += part
    footer = b""
    for part in (block([]), block(handles)):
        footer += varint(len(content)) + varint(len(part) - 5)
        content += part
    return content + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def write_bundle(
    prefix, arrays, *, shards=1, per_block=100, changes=None, header=None, **table_options
):
    """Write a bundle; `changes` are entries by key, in the place of those the arrays have."""
    data, pairs = [b""] * shards, {}
    for i, (name, array) in enumerate(arrays.items()):
        raw, shard = array.tobytes(), i % shards
        place = (shard, len(data[shard]), len(raw), masked(raw))
        pairs[name.encode()] = entry(NUMBERS[array.dtype.name], array.shape, *place)
        data[shard] += raw
    pairs[b""] = field(1, shards) + field(3, field(1, 1)) if header is None else header
    pairs = sorted((pairs | (changes or {})).items())
    index = Path(f"{prefix}.index")
    index.write_bytes(table(pairs, per_block, **table_options))
    files = [Path(f"{prefix}.data-{i:05d}-of-{shards:05d}") for i in range(shards)]
    for file, content in zip(files, data, strict=True):
        file.write_bytes(content)
    return index, *files


def same(found, wanted):
    return found.keys() == wanted.keys() and all(
        found[name].dtype == array.dtype
        and found[name].shape == array.shape
        and found[name].tobytes() == array.tobytes()
        for name, array in wanted.items()
    )


def test_the_writer_knows_the_checksum():
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("per_block", [1, 2, 100])
def test_arrays_come_back_as_they_were(tmp_path, shards, per_block):
    write_bundle(tmp_path / "model.ckpt", ARRAYS, shards=shards, per_block=per_block)
    assert same(read_bundle(tmp_path / "model.ckpt"), ARRAYS)


@pytest.mark.parametrize("ending", [".index", ".meta", ".data-00001-of-00002"])
def test_any_file_of_a_bundle_names_it(tmp_path, ending):
    write_bundle(tmp_path / "model.ckpt-20", ARRAYS, shards=2)
    assert same(read_bundle(tmp_path / f"model.ckpt-20{ending}"), ARRAYS)


def test_strings_are_left_out(tmp_path):
    objects = {b"_CHECKPOINTABLE_OBJECT_GRAPH": entry(7, (), 0, 0, 3, 0)}
    write_bundle(tmp_path / "model", ARRAYS, changes=objects)
    assert same(read_bundle(tmp_path / "model"), ARRAYS)


def flip(path, bit):
    """Flip a bit in place; once more to have it back."""
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def test_every_flipped_bit_is_noticed(tmp_path):
    few = dict(list(ARRAYS.items())[:3])
    for path in write_bundle(tmp_path / "model", few, shards=2, per_block=2):
        for bit in range(8 * path.stat().st_size):
            flip(path, bit)
            with pytest.raises(CheckpointError, match="model"):
                read_bundle(tmp_path / "model")
            flip(path, bit)
    assert same(read_bundle(tmp_path / "model"), few)


def test_every_cut_is_noticed(tmp_path):
    for path in write_bundle(tmp_path / "model", ARRAYS, shards=2, per_block=3):
        content = path.read_bytes()
        for length in reversed(range(len(content))):
            os.truncate(path, length)
            with pytest.raises(CheckpointError):
                read_bundle(tmp_path / "model")
        path.write_bytes(content)


@pytest.mark.parametrize("missing", [".index", ".data-00001-of-00002"])
def test_a_missing_file_is_named(tmp_path, missing):
    write_bundle(tmp_path / "model", ARRAYS, shards=2)
    Path(f"{tmp_path}/model{missing}").unlink()
    with pytest.raises(CheckpointError, match=f"model{missing}: No such file"):
        read_bundle(tmp_path / "model")


RAW = b"".join(array.tobytes() for array in ARRAYS.values())
FORGED = {  # entries with good checksums that say what no writer would
    "beyond the file": (entry(1, (2,), 0, len(RAW) - 4, 8, 0), "cut off"),
    "offset of 2^62": (entry(1, (2,), 0, 1 << 62, 8, 0), "cut off"),
    "negative offset": (entry(1, (2,), 0, (1 << 64) - 8, 8, 0), "cut off"),
    "across another": (entry(1, (2,), 0, 0, 8, masked(RAW[:8])), "across another"),
    "another shape": (entry(1, (3,), 0, 0, 8, 0), "shape"),
    "negative shape": (entry(1, ((1 << 64) - 2,), 0, 0, 8, 0), "impossible dimension"),
    "huge and empty": (entry(1, (1 << 62, 0), 0, len(RAW), 0, masked(b"")), "too big"),
    "many dimensions": (entry(1, (1,) * 65, 0, len(RAW) - 4, 4, 0), "65 dimensions"),
    "another shard": (entry(1, (2,), 1, 0, 8, 0), "shard 1 of 1"),
    "sliced": (entry(1, (2,), 0, 0, 8, 0) + field(7, b""), "slices"),
    "number as message": (field(1, 1) + field(2, 5), "place of a message"),
    "message as number": (field(1, b"x"), "no number"),
    "group": (bytes([1 << 3 | 3]), "wire type 3"),
    "endless varint": (b"\xff" * 20, "no number at"),
    "number of 70 bits": (varint(5 << 3) + b"\xff" * 9 + b"\x7f", "no number at"),
    "cut field": (field(1, 1) + bytes([2 << 3 | 2, 100]), "100 bytes"),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_entries_are_refused(tmp_path, case):
    forged, message = FORGED[case]
    write_bundle(tmp_path / "model", ARRAYS, changes={b"forged": forged})
    with pytest.raises(CheckpointError, match=message) as error:
        read_bundle(tmp_path / "model")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compression": 1}, "compressed"),
        ({"header": field(1, 1) + field(2, 1)}, "big-endian"),
        ({"header": field(1, 1) + field(3, field(2, 2))}, "newer format"),
        ({"changes": {b"a" * 513: b""}}, "more than 512"),
        ({"changes": {b"\xff": entry(1, (), 0, 0, 4, 0)}}, "utf-8"),
        ({"changes": {b"a\nb": entry(1, (9,), 0, 0, 4, 0)}}, r"a\\nb"),
    ],
)
def test_forged_tables_are_refused(tmp_path, options, message):
    write_bundle(tmp_path / "model", ARRAYS, **options)
    with pytest.raises(CheckpointError, match=message) as error:
        read_bundle(tmp_path / "model")
    assert "\n" not in str(error.value)


def test_a_table_out_of_order_or_too_large_is_refused(tmp_path):
    index, _ = write_bundle(tmp_path / "model", ARRAYS)
    header = (b"", field(1, 1))
    scalar = entry(7, (), 0, 0, 0, 0)
    index.write_bytes(table([header, (b"b", scalar), (b"a", scalar)], 100))
    with pytest.raises(CheckpointError, match="out of order"):
        read_bundle(tmp_path / "model")
    index.write_bytes(table([(b"a", scalar)], 100))
    with pytest.raises(CheckpointError, match="no header"):
        read_bundle(tmp_path / "model")
    with open(index, "ab") as file:
        file.truncate(1 << 40)  # sparse: nothing is stored, and nothing may be read
    with pytest.raises(CheckpointError, match="over 4,194,304 bytes"):
        read_bundle(tmp_path / "model")


def test_mutated_entries_with_good_checksums_never_crash(tmp_path):
    draw = random.Random(0)
    arrays = {"bias": ARRAYS["bert/dense/bias"]}
    index, _ = write_bundle(tmp_path / "model", arrays)
    raw = arrays["bias"].tobytes()
    good = entry(1, (2,), 0, 0, len(raw), masked(raw))
    refused = 0
    for _ in range(300):
        forged = bytearray(good)
        for _ in range(draw.randint(1, 3)):
            forged[draw.randrange(len(forged))] = draw.randrange(256)
        index.write_bytes(table([(b"", field(1, 1)), (b"bias", bytes(forged))], 100))
        try:
            read_bundle(tmp_path / "model")
        except CheckpointError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 200


@pytest.mark.skipif(not TOY.is_dir(), reason="needs a checkpoint that TensorFlow wrote")
def test_a_checkpoint_of_tensorflow(tmp_path):
    arrays = read_bundle(TOY / "bert_model.ckpt")
    found = [
        f"{name} {NUMBERS[array.dtype.name]} {list(array.shape)} {array.nbytes}"
        f" {masked(array.tobytes()):#x}"
        for name, array in arrays.items()
    ]
    listed = (TOY / "variables.txt").read_text().splitlines()
    assert found == [re.sub(r"\] \d+ ", "] ", line) for line in listed]  # without the offset
    draw = random.Random(0)
    for path in TOY.glob("*.ckpt.*"):
        shutil.copyfile(path, tmp_path / path.name)
    for path in tmp_path.iterdir():
        for bit in draw.sample(range(8 * path.stat().st_size), 100):
            flip(path, bit)
            with pytest.raises(CheckpointError):
                read_bundle(tmp_path / "bert_model.ckpt")
            flip(path, bit)
    assert same(read_bundle(tmp_path / "bert_model.ckpt"), arrays)
