"""What a device can do, from its maker's data sheet: the one table of accelerators."""

from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Chip:
    """One device as JAX counts them, and its connections.

    Attributes:
        name: short, as in "v5e:4x4".
        kinds: how JAX names it, or begins to.
        flops: dense bfloat16 products with float32 sums, operations a second.
        flops_float32: float32 products as JAX computes them by default: on TPUs in one bfloat16
            pass, on these GPUs in TF32.
        memory: bytes.
        usable: share of the memory that JAX takes by default: on GPUs it reserves 0.75
            (XLA_PYTHON_CLIENT_MEM_FRACTION), a TPU keeps some for itself.
        bandwidth: of the memory, bytes a second.
        link: bytes a second that leave a device for others of its domain; 0: not known.
        domain: devices that are joined by such links at most.
        network: bytes a second that leave a device for other domains; 0: not known.
        source: where these figures stand.
    """

    name: str
    kinds: tuple[str, ...]
    flops: float
    flops_float32: float
    memory: float
    usable: float
    bandwidth: float
    link: float
    domain: int
    network: float
    source: str

    def peak(self, compute_dtype: str) -> float:
        """Look up the peak of products in a dtype, operations a second."""
        return self.flops if compute_dtype == "bfloat16" else self.flops_float32


def _tpu(
    name: str,
    kinds: tuple[str, ...],
    tflops: float,
    memory: float,
    bandwidth: float,
    link: float,
    domain: int,
    network: float,
) -> Chip:
    """Make a row from TFLOP/s, GiB, GB/s, GB/s each way, chips of a pod and Gbit/s."""
    return Chip(
        name,
        kinds,
        tflops * 1e12,
        tflops * 1e12,
        memory * GIB,
        0.98,
        bandwidth * 1e9,
        link * 1e9,
        domain,
        network * 1e9 / 8,
        f"cloud.google.com/tpu/docs/{name}",
    )


def _nvidia(
    name: str,
    tflops: float,
    memory: float,
    bandwidth: float,
    nvlink: float,
    network: float,
    source: str,
) -> Chip:
    """Make a row from TFLOP/s, GB, GB/s, GB/s both ways together and Gbit/s; eight share a host."""
    return Chip(
        name,
        (f"NVIDIA {name.upper()}",),
        tflops * 1e12,
        tflops * 1e12 / 2,
        memory * 1e9,
        0.75,
        bandwidth * 1e9,
        nvlink / 2 * 1e9,
        8,
        network * 1e9 / 8,
        source,
    )


# Of a TPU: links from the bandwidth both ways, halved; network from that of a pod, by its chips.
CHIPS = (
    _tpu("v4", ("TPU v4",), 275, 32, 1228, 300, 4096, 50),
    _tpu("v5e", ("TPU v5 lite", "TPU v5e"), 197, 16, 819, 200, 256, 25),
    _tpu("v5p", ("TPU v5", "TPU v5p"), 459, 95, 2765, 600, 8960, 50),
    _tpu("v6e", ("TPU v6 lite", "TPU v6e"), 918, 32, 1640, 400, 256, 100),
    _nvidia("a100", 312, 80, 2039, 600, 200, "NVIDIA A100 80GB SXM and DGX A100 data sheets"),
    _nvidia("h100", 989, 80, 3350, 900, 400, "NVIDIA H100 SXM and DGX H100 data sheets"),
    _nvidia("h200", 989, 141, 4800, 900, 400, "NVIDIA H200 SXM and DGX H200 data sheets"),
)


def chip_of(device_kind: str) -> Chip | None:
    """Find a chip by what JAX calls its device; None where it is not in the table."""
    found = [
        (len(kind), chip) for chip in CHIPS for kind in chip.kinds if device_kind.startswith(kind)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None
