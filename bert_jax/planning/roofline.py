"""How fast a step can be: what each part of a device would need if it worked at its peak.

The least time is that of the slowest part, as if all worked at once (Williams et al. 2009,
doi:10.1145/1498765.1498785). The most is the sum, as if each waited for the others. Between the two
lies a step whose parts reach their peaks, which none quite does.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Roofline:
    """Seconds of a step on one device, by what it waits for.

    Attributes:
        compute: products.
        memory: reading and writing the device's memory.
        links: collectives.
        useful: the part of `compute` that is the model's own, nothing computed twice.
    """

    compute: float
    memory: float
    links: float
    useful: float

    @property
    def least(self) -> float:
        """Seconds if everything overlaps."""
        return max(self.compute, self.memory, self.links)

    @property
    def most(self) -> float:
        """Seconds if nothing overlaps."""
        return self.compute + self.memory + self.links

    @property
    def bound_by(self) -> str:
        """What takes longest."""
        return max(("compute", "memory", "links"), key=lambda part: getattr(self, part))

    def utilisation(self, seconds: float) -> float:
        """Give the share of the peak that the model's own products are, in a step so long."""
        return self.useful / seconds if seconds else 0.0
