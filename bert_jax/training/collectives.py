"""What devices send each other in a compiled step: how often, how many bytes."""

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

# One line of HLO text: NAME = RESULT KIND(...), where the result is an array or a tuple of them.
# On accelerators an operation is begun and finished apart; the beginning is what is counted.
_OPERATION = re.compile(
    rf"^\s*(?:ROOT )?%?[\w.-]+ = (?P<result>.+?) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\(",
    re.MULTILINE,
)
_ARRAY = re.compile(r"\b(pred|[a-z]+?\d+)\w*\[([\d,]*)\]")


# Computations of HLO text begin at the margin; what belongs to them is indented.
_COMPUTATION = re.compile(r"^(?P<entry>ENTRY )?%?(?P<name>[\w.-]+) \(.*?(?:-> (?P<result>.*) )?\{$")
_CALLED = re.compile(
    r"\b(?:body|condition|calls|to_apply|\w*computations?)=\{?(%[^,}\s]+(?:, %[^,}]+)*)"
)
_BODY = re.compile(r"\bbody=%?([\w.-]+)")
_CONDITION = re.compile(r"\bcondition=%?([\w.-]+)")
_CONSTANT = re.compile(r"^\s*%?([\w.-]+) = s32\[\]\S* constant\((\d+)\)")
_LESS = re.compile(r"^\s*ROOT .* compare\(%?[\w.-]+, %?([\w.-]+)\), direction=LT")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_LISTED = re.compile(r"(?:replica_groups|source_target_pairs)=\{\{([\d,]+)\}")
_IOTA = re.compile(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")
_MESH = re.compile(
    r"replica_groups=mesh\[([^\]]*)\]"
    r"(?:, device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\))? \{([^}]*)\}"
)
_FUSED = re.compile(r" fusion\(.*\bcalls=%?([\w.-]+)")
_CHANNEL = re.compile(r"\bchannel_id=(\d+)")
_SCATTER = "all-reduce-scatter"  # how TPU programs name a reduction of which each keeps a part


@dataclass(frozen=True)
class Operation:
    """One collective of a compiled program.

    Attributes:
        kind: one of `KINDS`.
        size: bytes of its results on one device.
        group: the devices of the first of its groups, by their place in the mesh; () is all.
        times: how often a step performs it, loops counted.
    """

    kind: str
    size: int
    group: tuple[int, ...]
    times: int


@dataclass(frozen=True)
class Collectives:
    """Operations of one kind.

    Attributes:
        count: how many, arrays that go together counted once.
        size: bytes of their results on one device.
    """

    count: int
    size: int


def collectives(text: str) -> dict[str, Collectives]:
    """Count the collectives of a compiled program by kind; a kind that it has none of is absent.

    Args:
        text: of `jax.stages.Compiled.as_text()`. What stands in a loop is counted once.
    """
    found: dict[str, Collectives] = {}
    for operation in operations(text):
        before = found.get(operation.kind, Collectives(0, 0))
        found[operation.kind] = Collectives(before.count + 1, before.size + operation.size)
    return found


def operations(text: str) -> list[Operation]:
    """List the collectives of a compiled program, with who takes part and how often.

    Args:
        text: of `jax.stages.Compiled.as_text()`. The turns of a loop are those that XLA notes, or
            else what its counter is compared with, since JAX counts from 0; if neither, one.
    """
    times, fused = _times(text), set(_FUSED.findall(text))
    found, name, result, channels = [], "", "", set()
    for line in text.splitlines():
        if head := _COMPUTATION.match(line):
            name, result = head["name"], head["result"]
        elif match := _OPERATION.match(line):
            kind, size = match["kind"], _result(match)
            if name.startswith(_SCATTER):
                kind, size = "reduce-scatter", sum(_sizes(result))
            elif name in fused and (channel := _CHANNEL.search(line)):
                # TPUs begin, carry on and end one operation in several fusions.
                if channel[1] in channels:
                    continue
                channels.add(channel[1])
            found.append(Operation(kind, size, _group(line), times.get(name, 1)))
    return found


def _times(text: str) -> dict[str, int]:
    """Tell how often each computation runs."""
    calls: dict[str, list[tuple[str, int]]] = {}
    bounds: dict[str, int] = {}  # of the counters, by the computation that compares them
    constants: dict[str, int] = {}
    name, entry = "", ""
    for line in text.splitlines():
        if head := _COMPUTATION.match(line):
            name, constants = head["name"], {}
            entry = name if head["entry"] else entry
        elif match := _CONSTANT.match(line):
            constants[match[1]] = int(match[2])
        elif (match := _LESS.match(line)) and match[1] in constants:
            bounds[name] = constants[match[1]]
        elif called := _CALLED.findall(line):
            body = match[1] if (match := _BODY.search(line)) else ""
            for other in itertools.chain(*(group.split(", ") for group in called)):
                other = other.lstrip("%")
                turns = _turns(line, bounds) if other == body else 1
                calls.setdefault(name, []).append((other, turns))
    times: dict[str, int] = {}

    def visit(name: str, factor: int) -> None:
        times[name] = times.get(name, 0) + factor
        for other, turns in calls.get(name, ()):
            visit(other, factor * turns)

    visit(entry, 1)
    return times


def _turns(line: str, bounds: Mapping[str, int]) -> int:
    if trips := _TRIPS.search(line):
        return int(trips[1])
    condition = _CONDITION.search(line)
    return bounds.get(condition[1], 1) if condition else 1


def _group(line: str) -> tuple[int, ...]:
    """Read the first group of devices, in each of the forms that XLA writes."""
    if match := _LISTED.search(line):
        return _numbers(match[1])
    if match := _IOTA.search(line):
        _, members = _numbers(match[1])
        return tuple(_iota(match[2], match[3])[:members])
    if match := _MESH.search(line):
        sizes = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", match[1])}
        group = _along(sizes, set(re.findall(r"'(\w+)'", match[4])))
        devices = _iota(match[2], match[3]) if match[2] else range(math.prod(sizes.values()))
        return tuple(devices[place] for place in group)
    return ()


def _iota(shape: str, order: str | None) -> list[int]:
    """List what `[SHAPE]T(ORDER)` says: numbers from 0 in that shape, its dimensions reordered."""
    sizes = _numbers(shape)
    axes = _numbers(order) if order else tuple(range(len(sizes)))
    strides = [math.prod(sizes[axis + 1 :]) for axis in axes]
    places = itertools.product(*(range(sizes[axis]) for axis in axes))
    return [sum(map(math.prod, zip(place, strides, strict=True))) for place in places]


def _along(sizes: Mapping[str, int], axes: set[str]) -> tuple[int, ...]:
    """List the devices along some axes of a mesh, from its first device."""
    ranges = [range(size) if name in axes else range(1) for name, size in sizes.items()]
    strides = [math.prod(list(sizes.values())[i + 1 :]) for i in range(len(sizes))]
    return tuple(
        sum(map(math.prod, zip(place, strides, strict=True)))
        for place in itertools.product(*ranges)
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def _result(match: re.Match[str]) -> int:
    """Add up the bytes of an operation's results."""
    sizes = _sizes(match["result"])
    if match["start"] and match["kind"] in ("all-gather", "reduce-scatter"):
        sizes = sizes[len(sizes) // 2 :]  # operands, then results
    elif match["start"] and match["kind"] == "collective-permute":  # and then two counters
        sizes = sizes[1:2]
    return sum(sizes)


def _sizes(result: str) -> list[int]:
    """List the bytes of each array of a result, which may be a tuple of them."""
    return [_size(kind, shape) for kind, shape in _ARRAY.findall(result)]


def _size(kind: str, shape: str) -> int:
    bits = 8 if kind == "pred" else int(re.sub(r"\D", "", kind))
    return math.prod(int(n) for n in shape.split(",") if n) * max(bits, 8) // 8
