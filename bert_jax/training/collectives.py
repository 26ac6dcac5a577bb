"""What devices send each other in a compiled step: how often, how many bytes."""

import math
import re
from dataclasses import dataclass

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

# One line of HLO text: NAME = RESULT KIND(...), where the result is an array or a tuple of them.
# On accelerators an operation is begun and finished apart; the beginning is what is counted.
_OPERATION = re.compile(
    rf"^\s*(?:ROOT )?%?[\w.-]+ = (?P<result>.+?) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\(",
    re.MULTILINE,
)
_ARRAY = re.compile(r"\b(pred|[a-z]+?\d+)\w*\[([\d,]*)\]")


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
    for match in _OPERATION.finditer(text):
        sizes = [_size(kind, shape) for kind, shape in _ARRAY.findall(match["result"])]
        if match["start"] and match["kind"] == "all-gather":  # operands, then results
            sizes = sizes[len(sizes) // 2 :]
        elif match["start"] and match["kind"] == "collective-permute":  # and then two counters
            sizes = sizes[1:2]
        before = found.get(match["kind"], Collectives(0, 0))
        found[match["kind"]] = Collectives(before.count + 1, before.size + sum(sizes))
    return found


def _size(kind: str, shape: str) -> int:
    bits = 8 if kind == "pred" else int(re.sub(r"\D", "", kind))
    return math.prod(int(n) for n in shape.split(",") if n) * max(bits, 8) // 8
