"""Ways to damage files: a bit, an end, all of it; and what fuzzers put in the place of values."""

import copy
import json
import random
from pathlib import Path
from typing import Any

# What a field of JSON or a cell may turn into.
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 2, 2**31, 2**63, 10**40, 0.5, -1e308, float("nan"), float("inf")),
    *("", " ", "\x00", "\n", "\ud800", "../../canary", "/etc/passwd", "<script>", "9" * 5_000),
    *("x" * 100_000, [], {}, [[]] * 3, {"": None}, [1, "a", None], ["x"] * 50),
)
_BYTES = (b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b"\x1b[2J", b'"', b"\t\t", b"{" * 2_000)
_BYTES += (b"[" * 200_000, b"9" * 5_000, b"\xef\xbb\xbf", b"NaN", b"-1", b"1e999", b"\n\n\n", b"")


def flip_bit(path: Path, draw: random.Random) -> str:
    """Flip one bit of a file; say which."""
    data = bytearray(path.read_bytes())
    place, bit = draw.randrange(len(data)), draw.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"{path.name}: bit {bit} of byte {place} of {len(data)}"


def cut(path: Path, size: int) -> None:
    """Keep only so many bytes of a file."""
    path.write_bytes(path.read_bytes()[:size])


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Change a file's bytes in one to four places."""
    for _ in range(draw.randint(1, 4)):
        start = draw.randrange(len(data) + 1)
        end = min(len(data), start + draw.choice((0, 1, 1, 2, 8, 64, 1_000)))
        part = data[start:end]
        change = draw.choice(("flip", "drop", "repeat", "insert", "noise", "move", "cut"))
        if change == "flip" and part:
            part = bytes([part[0] ^ 1 << draw.randrange(8)]) + part[1:]
        elif change == "drop":
            part = b""
        elif change == "repeat":
            part *= draw.randint(2, 20)
        elif change == "insert":
            part = draw.choice(_BYTES) + part
        elif change == "noise":
            part = draw.randbytes(len(part))
        elif change == "move":
            part = data[-len(part) :] if part else part
        elif change == "cut":
            end = len(data)
        data = data[:start] + part + data[end:]
    return data


def mutate_value(value: Any, draw: random.Random) -> Any:
    """Change a JSON value in one place: another value, a field too few or too many."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places:
        return draw.choice(ODD)
    holder, key = draw.choice(places)
    change = draw.random()
    if change < 0.75:
        holder[key] = draw.choice(ODD)
    elif change < 0.9:
        del holder[key]
    elif isinstance(holder, dict):
        holder[f"{key}_"] = holder.pop(key)
    else:
        holder.insert(key, holder[key])
    return value


def mutate_json(text: str, draw: random.Random) -> str:
    """Change a value in a JSON file."""
    return json.dumps(mutate_value(json.loads(text), draw), indent=1)


def _places(value: Any) -> Any:
    """Yield (container, key) of every value within a value."""
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return
    for key in keys:
        yield value, key
        yield from _places(value[key])
