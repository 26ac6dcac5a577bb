"""Files of torch written by hand, opcode by opcode: weights, and what an attacker makes of them.

Nothing here can unpickle; the opcodes are those of CPython's Lib/pickletools.py.
"""

import io
import zipfile
from pathlib import Path

import numpy as np

_MARK, _REDUCE, _TUPLE, _EMPTY_DICT, _SETITEM, _STOP = b"(", b"R", b"t", b"}", b"s", b"."
_PROTOCOL = b"\x80\x02"


def text(value: str) -> bytes:
    """Push a text."""
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def number(value: int) -> bytes:
    """Push a number of 32 bits."""
    return b"J" + value.to_bytes(4, "little", signed=True)


def name(module: str, attribute: str) -> bytes:
    """Push what a module has under a name."""
    return f"c{module}\n{attribute}\n".encode()


def called(function: bytes, *arguments: bytes) -> bytes:
    """Push what a function returns."""
    return function + _MARK + b"".join(arguments) + _TUPLE + _REDUCE


def program(body: bytes) -> bytes:
    """Make a whole pickle."""
    return _PROTOCOL + body + _STOP


def tensor(key: str, shape: tuple[int, ...]) -> bytes:
    """Push a float tensor whose numbers are in the file under a key."""
    elements = int(np.prod(shape))
    strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
    kind = name("torch", "FloatStorage")
    storage = [text("storage"), kind, text(key), text("cpu"), number(elements)]
    reference = _MARK + b"".join(storage) + _TUPLE + b"Q"
    sizes = _MARK + b"".join(map(number, shape)) + _TUPLE
    steps = _MARK + b"".join(map(number, strides)) + _TUPLE
    hooks = called(name("collections", "OrderedDict"))
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    return called(rebuild, reference, number(0), sizes, steps, b"\x89", hooks)


def state_dict(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """Make the pickle of weights by name."""
    body = _EMPTY_DICT
    for i, (key, shape) in enumerate(shapes.items()):
        body += text(key) + tensor(str(i), shape) + _SETITEM
    return program(body)


def write_zip(path: Path, pickle: bytes, data: dict[str, bytes], packed: bool = False) -> None:
    """Write an archive as torch does since 1.6."""
    how = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", how) as archive:
        archive.writestr("archive/data.pkl", pickle)
        for key, numbers in data.items():
            archive.writestr(f"archive/data/{key}", numbers)
    path.write_bytes(content.getvalue())


def write_weights(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write weights as torch does."""
    data = {str(i): array.astype("<f4").tobytes() for i, array in enumerate(arrays.values())}
    write_zip(path, state_dict({key: array.shape for key, array in arrays.items()}), data)


def commands(canary: Path) -> dict[str, bytes]:
    """Give programs that would make a file if anything ran them, each in its own way."""
    touch = text(f"touch {canary}")
    python = text(f"open({str(canary)!r}, 'w')")
    mark = _MARK + touch
    return {
        "os.system": program(called(name("os", "system"), touch)),
        "posix.system": program(called(name("posix", "system"), touch)),
        "subprocess": program(called(name("subprocess", "getoutput"), touch)),
        "eval": program(called(name("builtins", "eval"), python)),
        "exec": program(called(name("builtins", "exec"), python)),
        "open": program(called(name("io", "open"), text(str(canary)), text("w"))),
        "runpy": program(called(name("code", "interact"), text("x"))),
        "INST": _PROTOCOL + mark + b"ios\nsystem\n" + _STOP,
        "OBJ": _PROTOCOL + _MARK + name("os", "system") + touch + b"o" + _STOP,
        "NEWOBJ": _PROTOCOL + name("os", "system") + _MARK + touch + _TUPLE + b"\x81" + _STOP,
        "STACK_GLOBAL": b"\x80\x04" + called(text("os") + text("system") + b"\x93", touch) + _STOP,
        "BUILD": program(called(name("os", "system"), touch) + _EMPTY_DICT + b"b"),
        "behind weights": state_dict({"w": (2, 2)})[:-1]
        + b"0"
        + called(name("os", "system"), touch)
        + _STOP,
    }


def bombs() -> dict[str, bytes]:
    """Give programs that would take all memory or for ever."""
    nested = b")" + b"".join(b"2\x86" for _ in range(64))  # a tuple of itself twice, 64 deep
    return {
        "nested tuples": program(nested),
        "a key to hash for ever": program(_EMPTY_DICT + nested + b"K\x01" + _SETITEM),
        "a long of 2 GB": program(b"\x8b" + (2**31 - 1).to_bytes(4, "little")),
        "bytes of 2**60": b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + _STOP,
        "lists a million deep": program(b"(" * 10**6 + b"l" * 10**6),
        "no end": _PROTOCOL + b"N" * 10**5,
    }
