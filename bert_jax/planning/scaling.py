"""Weak scaling, more devices with as much to do each: a prediction by formula, nothing measured."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bert_jax.planning.formulae import Load, in_theory
from bert_jax.planning.roofline import Roofline
from bert_jax.training.chips import Chip


@dataclass(frozen=True)
class Scaled:
    """A number of devices.

    Attributes:
        mesh: devices along each axis.
        sent: bytes a device sends in a step.
        roofline: of a step.
        rows: of a batch over all devices.
    """

    mesh: Mapping[str, int]
    sent: float
    roofline: Roofline
    rows: float

    @property
    def devices(self) -> int:
        """Number of devices."""
        product = 1
        for size in self.mesh.values():
            product *= size
        return product


def scale(
    chips: Iterable[int], mesh: Mapping[str, int], load: Load, one: Roofline, chip: Chip
) -> list[Scaled]:
    """Predict a step on numbers of devices, as many rows on each.

    Tensor keeps its size, fsdp too where there are enough devices, and the rest is data. A number
    of devices that cannot be laid out so is left out, and one that takes a network not known.

    Args:
        chips: numbers of devices.
        mesh: that of the config.
        load: of one device.
        one: what a device needs in a step beside its links.
        chip: its kind.
    """
    found = []
    for devices in chips:
        tensor = mesh.get("tensor", 1)
        fsdp = max(1, min(mesh.get("fsdp", 1), devices // tensor))
        beyond = devices > chip.domain and not chip.network
        if devices % (tensor * fsdp) or beyond:
            continue
        laid = {"data": devices // (tensor * fsdp), "fsdp": fsdp, "tensor": tensor}
        transfers = in_theory(laid, load, chip.domain)
        links = sum(transfer.seconds(chip) for transfer in transfers)
        found.append(
            Scaled(
                laid,
                sum(transfer.sent for transfer in transfers),
                Roofline(one.compute, one.memory, links, one.useful),
                load.rows * devices / tensor,
            )
        )
    return found
