import io
import os
import pickle
import pickletools
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bert_jax.errors import CheckpointError
from bert_jax.interop.pickled_arrays import read_pickled_arrays

GOLDENS = Path(__file__).parent / "goldens"
TORCH_FILES = ["torch_zip.bin", "torch_legacy.bin", "torch_nested.bin"]
DTYPES = {"half": "float16", "brain": "bfloat16", "double": "float64", "ids": "int64"} | {
    "small": "int32"
}


def write_zip(path, program, storages=(), compression=zipfile.ZIP_STORED):
    """Write a file of torch.save's form; storages are bytes, under keys "0", "1", ..."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", "little")
        for key, data in enumerate(storages):
            archive.writestr(f"archive/data/{key}", data)
    return path


class Reduced:
    """Something that pickles as a call of a function with arguments."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def text(value):
    return b"\x8c" + bytes([len(value)]) + value.encode()


def number(value):
    """LONG1, which takes whole numbers of any size."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def named(name):
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def a_tensor(offset, shape, strides, elements, kind="FloatStorage", key="0"):
    """The program of a tensor as torch writes it."""
    storage = b"(" + text("storage") + named(f"torch.{kind}") + text(key) + text("cpu")
    view = number(offset) + numbers(shape) + numbers(strides)
    hooks = named("collections.OrderedDict") + b")R"
    storage += number(elements) + b"tQ"
    return (
        named("torch._utils._rebuild_tensor_v2") + b"(" + storage + view + b"\x89" + hooks + b"tR"
    )


def program(**values):
    """The program of a dict; the values are programs."""
    return b"\x80\x02}" + b"".join(text(k) + v + b"s" for k, v in values.items()) + b"."


def refusal(path):
    with pytest.raises(CheckpointError) as error:
        read_pickled_arrays(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 500
    return message


# --- what torch wrote ---


@pytest.mark.parametrize("name", TORCH_FILES)
def test_files_of_torch(name):
    arrays = read_pickled_arrays(GOLDENS / name)
    prefix = "linear." if "nested" in name else ""
    expected = np.load(GOLDENS / "torch_expected.npz")
    wanted = {k for k in expected.files if k.startswith("linear.") == bool(prefix)}
    assert {prefix + k for k in arrays} == wanted
    for key, array in arrays.items():
        assert array.dtype == DTYPES.get(key, "float32")
        assert array.shape == expected[prefix + key].shape
        np.testing.assert_array_equal(array.astype(np.float64), expected[prefix + key])
        assert not array.flags.writeable


@pytest.mark.parametrize("name", TORCH_FILES[:2])
def test_shared_numbers_stay_shared(name):
    arrays = read_pickled_arrays(GOLDENS / name)
    assert np.shares_memory(arrays["weight"], arrays["tied"])
    assert np.shares_memory(arrays["weight"], arrays["transposed"])
    assert not np.shares_memory(arrays["weight"], arrays["tail"])


def test_the_dicts_of_python_2(tmp_path):
    pair = b"](U\x01a" + a_tensor(0, (2,), (1,), 2) + b"e"
    pairs = named("collections.OrderedDict") + b"(](" + pair + b"etR."
    found = read_pickled_arrays(write_zip(tmp_path / "a.bin", pairs, [struct.pack("<2f", 1, 2)]))
    assert {k: v.tolist() for k, v in found.items()} == {"a": [1.0, 2.0]}


def test_views_are_those_of_the_rules_or_refused(tmp_path):
    draw = random.Random(0)
    data = np.arange(24, dtype=np.float32)
    accepted = 0
    for trial in range(400):
        rank = draw.randint(0, 3)
        shape = [draw.choice([0, 1, 2, 3, 4]) for _ in range(rank)]
        strides = [draw.choice([0, 1, 2, 3, 6, 8, 1 << 62]) for _ in range(rank)]
        offset = draw.choice([0, 0, 1, 7, 23, 24])
        # Written out: the place of every element.
        places = {
            index: offset + sum(i * step for i, step in zip(index, strides, strict=True))
            for index in np.ndindex(*shape)
        }
        good = len(places) <= 24 and all(place < 24 for place in places.values())
        path = tmp_path / f"{trial}.bin"
        write_zip(path, program(a=a_tensor(offset, shape, strides, 24)), [data.tobytes()])
        if not good:
            assert "beyond its storage" in refusal(path)
            continue
        accepted += 1
        array = read_pickled_arrays(path)["a"]
        assert array.shape == tuple(shape)
        assert all(array[index] == place for index, place in places.items())
    assert 100 < accepted < 350


# --- what an attacker would write ---


def payloads(canary):
    """Pickles that run something where a pickle can, by name."""
    touch = f"touch {canary}"
    opened = f"open({str(canary)!r}, 'w')"
    calls = {
        "os.system": Reduced(os.system, touch),
        "builtins.eval": Reduced(eval, opened),
        "builtins.exec": Reduced(exec, opened),
        "builtins.getattr": Reduced(getattr, "", "join"),
        "after a good call": [Reduced(dict), Reduced(os.system, touch)],
        "as a key": {Reduced(os.system, touch): 1},
    }
    made = {
        f"{name}, protocol {protocol}": pickle.dumps(value, protocol)
        for name, value in calls.items()
        for protocol in (0, 2, 5)
    }
    command = text(touch) + b"\x85"
    return made | {
        "INST": b"(" + b"V" + touch.encode() + b"\nios\nsystem\n.",
        "OBJ": b"(" + named("os.system") + text(touch) + b"o.",
        "NEWOBJ": named("os.system") + command + b"\x81.",
        "NEWOBJ_EX": named("os.system") + command + b"}\x92.",
        "EXT1": b"\x82\x01.",
        "numpy": named("numpy._core.multiarray._reconstruct") + b")R.",
        "copyreg": named("copyreg._reconstructor") + b")R.",
        "torch.hub": named("torch.hub.load") + command + b"R.",
        "torch.load": named("torch.load") + command + b"R.",
        "dotted": text("torch._utils") + text("_rebuild_tensor_v2.__globals__.get") + b"\x93.",
        "module of a name": text("collections") + text("OrderedDict.fromkeys") + b"\x93)R.",
        "calling a storage": named("torch.FloatStorage") + command + b"R.",
        "state of a name": named("collections.OrderedDict") + b"}b.",
        "default of a name": named("torch._utils._rebuild_tensor_v2")
        + b"N}"
        + text("__defaults__")
        + b")s\x86b.",
        "result as function": named("collections.OrderedDict") + b")R)R.",
    }


@pytest.mark.parametrize("name", payloads(Path("x")))
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_nothing_runs(tmp_path, name, legacy):
    canary = tmp_path / "canary"
    attack = payloads(canary)[name]
    path = tmp_path / "pytorch_model.bin"
    if legacy:
        whole = (GOLDENS / "torch_legacy.bin").read_bytes()
        path.write_bytes(whole[: legacy_end(whole, 3)] + attack)
    else:
        write_zip(path, attack)
    message = refusal(path)
    assert not canary.exists()
    if "protocol" in name:  # those that Python wrote itself
        assert "asks for" in message and "nothing was run" in message


def legacy_end(whole, count):
    """Where the first `count` pickles of a legacy file end; there are five, then numbers."""
    stream = io.BytesIO(whole)
    for _ in range(count):
        for _ in pickletools.genops(stream):
            pass
    return stream.tell()


def test_the_payloads_are_live(tmp_path):
    pickle.loads(payloads(tmp_path / "canary")["os.system, protocol 2"])
    assert (tmp_path / "canary").exists()


MANY = b"0" * 24 * 4
DAMAGED, UNNEEDED = "damaged pickle", "which weights do not need"
BEYOND, IMPOSSIBLE = "beyond its storage", "does not take"
BOMBS = {  # what is in data.pkl, and what is said about it
    "BINBYTES8 of 2^60": (b"\x8e" + struct.pack("<Q", 1 << 60) + b"x.", "expected 1152"),
    "BYTEARRAY8 of 2^60": (b"\x96" + struct.pack("<Q", 1 << 60) + b"x.", "expected 1152"),
    "BINUNICODE8 of 2^60": (b"\x8d" + struct.pack("<Q", 1 << 60) + b"x.", "expected 1152"),
    "LONG4 of 2^31": (b"\x8b" + struct.pack("<i", (1 << 31) - 1) + b"x.", "not enough data"),
    "BINBYTES": (b"B\1\0\0\0x.", UNNEEDED),
    "FRAME of 2^60": (b"\x95" + struct.pack("<Q", 1 << 60) + b"].", "no tensors"),
    "memo of 2^32": (b"]r\xff\xff\xff\xff.", "no tensors"),
    "deep lists": (b"](" * 20_000 + b"e" * 20_000 + b".", "no tensors"),
    "deep marks": (b"(" * 20_000 + b"t" * 20_000 + b".", "no tensors"),
    "doubled tuples as a key": (b"})" + b"q\x00h\x00\x86" * 20 + b"Ns.", DAMAGED),
    "list in itself": (b"]q\x00h\x00a.", "no tensors"),
    "escapes in a name": (b"ccol\\lections\nOrderedDict\n)R.", DAMAGED),
    "shape of 2^60": (program(a=a_tensor(0, (1 << 60,), (0,), 24)), BEYOND),
    "shape of 2^4000": (program(a=a_tensor(0, (1 << 1000,) * 4, (0,) * 4, 24)), "impossible"),
    "65 dimensions": (program(a=a_tensor(0, (1,) * 65, (1,) * 65, 24)), "65 dimensions"),
    "huge and empty": (program(a=a_tensor(0, (1 << 62, 0), (1, 1), 24)), "too big"),
    "storage of 2^60": (program(a=a_tensor(0, (1,), (1,), 1 << 60)), "96 bytes, not"),
    "storage too small": (program(a=a_tensor(0, (1,), (1,), 23)), "over 92 bytes"),
    "negative offset": (program(a=a_tensor(-1, (1,), (1,), 24)), IMPOSSIBLE),
    "negative stride": (program(a=a_tensor(3, (2,), (-1,), 24)), IMPOSSIBLE),
    "negative size": (program(a=a_tensor(0, (-2, -2), (1, 1), 24)), IMPOSSIBLE),
    "ranks that differ": (program(a=a_tensor(0, (1, 1), (1,), 24)), IMPOSSIBLE),
    "negative storage": (program(a=a_tensor(0, (1,), (1,), -24)), "lie nowhere"),
    "two dtypes": (
        program(a=a_tensor(0, (1,), (1,), 24), b=a_tensor(0, (1,), (1,), 24, "IntStorage")),
        "two ways",
    ),
    "a key that climbs": (program(a=a_tensor(0, (1,), (1,), 24, key="../data.pkl")), "has no"),
    "no storage": (program(a=a_tensor(0, (1,), (1,), 24, key="7")), "has no 'archive/data/7'"),
    "no tensors": (program(), "no tensors"),
    "a number": (program(a=number(3)), "'a' is no tensor"),
    "a numbered tensor": (b"}K\x01" + a_tensor(0, (1,), (1,), 24) + b"s.", "'1' is no tensor"),
    "only a tensor": (a_tensor(0, (1,), (1,), 24) + b".", "no tensors"),
    "a long text": (b"S" + b"x" * 10_000 + b"\n.", "no string quotes"),
    "empty": (b"", "exhausted"),
    "no end": (b"]", "exhausted"),
    "nothing": (b".", DAMAGED),
    "pops": (b"\x87.", DAMAGED),
    "an item of a tuple": (b")K\x01Ns.", DAMAGED),
    "a value without key": (b"}(Nu.", "argument"),
    "appended to a dict": (b"}Na.", DAMAGED),
    "state of a tuple": (b")}b.", DAMAGED),
    "no mark": (b"]e.", DAMAGED),
    "no memo": (b"h\x01.", DAMAGED),
}


@pytest.mark.filterwarnings("default")  # as outside of tests, where they stop nothing
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_one_line(tmp_path, name):
    bomb, message = BOMBS[name]
    path = write_zip(tmp_path / "a.bin", bomb, [MANY])
    tracemalloc.start()
    try:
        assert message in refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20


def test_archives_that_torch_does_not_write(tmp_path):
    path, good = tmp_path / "a.bin", program(a=a_tensor(0, (24,), (1,), 24))
    assert "compressed" in refusal(write_zip(path, good, [MANY], zipfile.ZIP_DEFLATED))
    assert "2,097,152 bytes" in refusal(write_zip(path, b"]" * ((1 << 21) + 1)))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights.txt", "")
    assert "not one of torch.save" in refusal(path)
    write_zip(path, good, [MANY])
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data/0", MANY)
    assert "two members" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", good)
        archive.writestr("archive/byteorder", "big")
    assert "big-endian" in refusal(path)


def test_an_archive_that_claims_more_than_its_file(tmp_path):
    path = write_zip(tmp_path / "a.bin", program(a=a_tensor(0, (24,), (1,), 24)), [MANY])
    content = path.read_bytes()
    size = struct.pack("<II", len(MANY), len(MANY))
    place = content.rindex(size)  # in the directory at the end
    claim = struct.pack("<II", 1 << 31, 1 << 31)
    path.write_bytes(content[:place] + claim + content[place + 8 :])
    assert "larger than its file" in refusal(path)


def test_a_legacy_file_of_another_machine_or_with_other_storages(tmp_path):
    path, whole = tmp_path / "a.bin", (GOLDENS / "torch_legacy.bin").read_bytes()
    true = whole.index(b"\x88", whole.index(b"little_endian"))
    path.write_bytes(whole[:true] + b"\x89" + whole[true + 1 :])
    assert "big-endian" in refusal(path)
    tensors, keys = legacy_end(whole, 4), legacy_end(whole, 5)
    path.write_bytes(whole[:keys] + bytes([whole[keys] - 1]) + whole[keys + 1 :])
    assert "damaged at storage" in refusal(path)
    good = pickle.loads(whole[tensors:keys])
    for listed in (good[1:], [*good, "0"], [*good, good[0]], [0, *good[1:]], good[0]):
        path.write_bytes(whole[:tensors] + pickle.dumps(listed, 2) + whole[keys:])
        assert "list of storages" in refusal(path)


def test_what_is_no_file_of_torch(tmp_path):
    path = tmp_path / "a.bin"
    assert "No such file" in refusal(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    assert "not a file of torch.save" in refusal(path)
    assert "directory" in refusal(tmp_path)


@pytest.mark.parametrize("name", TORCH_FILES)
def test_every_cut_is_noticed(tmp_path, name):
    path, content = tmp_path / name, (GOLDENS / name).read_bytes()
    path.write_bytes(content)
    for length in reversed(range(len(content))):
        os.truncate(path, length)
        refusal(path)


@pytest.mark.parametrize("name", TORCH_FILES)
def test_mutations_never_crash(tmp_path, name):
    draw = random.Random(0)
    path, content = tmp_path / name, (GOLDENS / name).read_bytes()
    refused = 0
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(draw.choice([1, 1, 2, 8])):
            changed[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(changed)
        try:
            read_pickled_arrays(path)
        except CheckpointError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
            refused += 1
    assert refused > 100


def test_mutated_programs_with_good_checksums_never_crash(tmp_path):
    draw = random.Random(0)
    path, good = tmp_path / "a.bin", program(a=a_tensor(2, (3, 2), (2, 1), 24))
    for _ in range(1_000):
        changed = bytearray(good)
        for _ in range(draw.choice([1, 1, 2, 4])):
            changed[draw.randrange(len(good))] = draw.randrange(256)
        write_zip(path, changed, [MANY])
        try:
            arrays = read_pickled_arrays(path)
        except CheckpointError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
        else:
            assert sum(array.size for array in arrays.values()) <= 24 * 4
