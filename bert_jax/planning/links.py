"""What a collective sends, and how long that takes over a chip's links and network.

The counts are those of ring algorithms, which reach the least that each device has to send. A group
that spans several domains first works within each of them, then across: only 1/m of the data of a
domain of m members passes each member's network.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bert_jax.training.chips import Chip
from bert_jax.training.collectives import Operation


@dataclass(frozen=True)
class Transfer:
    """A collective seen from one device.

    Attributes:
        kind: as in HLO: "all-reduce", "all-gather", ...
        size: bytes of the results on one device.
        members: devices that take part together.
        near: how many of them are in one domain.
        times: how often a step does it.
    """

    kind: str
    size: float
    members: int
    near: int
    times: int = 1

    @property
    def sent(self) -> float:
        """Bytes that a device sends in a step, by whatever way."""
        return self.times * _sent(self.kind, self.size, self.members)

    def seconds(self, chip: Chip) -> float:
        """Tell how long it takes in a step, if nothing else used the links; 0 if not known."""
        near, far = self.near, self.members // self.near
        whole = self.size * self.members if self.kind == "reduce-scatter" else self.size
        within = _share(self.kind, near) * whole
        across = _share(self.kind, far) * whole / near
        return self.times * (_over(within, chip.link) + _over(across, chip.network))


def transfers(operations: Iterable[Operation], devices: int, chip: Chip) -> list[Transfer]:
    """Turn the collectives of a compiled program into transfers; equal ones become one."""
    found: dict[tuple[str, float, int, int], int] = {}
    for operation in operations:
        group = operation.group or tuple(range(devices))
        near = sum(member // chip.domain == group[0] // chip.domain for member in group)
        key = (operation.kind, float(operation.size), len(group), near)
        found[key] = found.get(key, 0) + operation.times
    return [Transfer(*key, times) for key, times in found.items()]


def _over(size: float, speed: float) -> float:
    return size / speed if speed else 0.0


def _sent(kind: str, size: float, members: int) -> float:
    whole = size * members if kind == "reduce-scatter" else size
    return _share(kind, members) * whole


def _share(kind: str, members: int) -> float:
    """Give what a device sends, as a share of the whole array."""
    if members == 1:
        return 0.0
    if kind == "collective-permute":
        return 1.0
    return (2 if kind == "all-reduce" else 1) * (members - 1) / members
