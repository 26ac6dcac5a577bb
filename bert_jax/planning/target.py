"""The devices that a plan is for: those of this machine, or any that a compiler knows."""

import importlib.util
import math
import os
import re
from dataclasses import dataclass, field
from typing import Any

from bert_jax.errors import ConfigError
from bert_jax.planning.captured import captured
from bert_jax.training.chips import CHIPS, Chip

_TOPOLOGY = re.compile(r"(?P<chip>[a-z]\w*):(?P<shape>\d+(?:x\d+){0,2})")
_HOW = {
    "tpu": ("libtpu", "the TPU compiler", "plan-tpu"),
    "gpu": ("jax_plugins.xla_cuda12", "the CUDA compiler", "plan-gpu"),
}
_SHARED = 8  # GPUs of a host


@dataclass(frozen=True)
class Topology:
    """Devices asked for by name: "v5e:4x4", "h100:8", "cpu:8"."""

    chip: str
    shape: tuple[int, ...]

    @property
    def devices(self) -> int:
        """How many they are."""
        return math.prod(self.shape)

    @property
    def platform(self) -> str:
        """What compiles for them: "cpu", "gpu" or "tpu"."""
        if self.chip == "cpu":
            return "cpu"
        return "tpu" if self.chip.startswith("v") else "gpu"

    def __str__(self) -> str:
        return f"{self.chip}:{'x'.join(map(str, self.shape))}"


@dataclass(frozen=True)
class Target:
    """Devices to compile for.

    Attributes:
        name: as asked for: "here", "v5e:4x4".
        devices: what a mesh is made of; they need not be there.
        chip: what one of them can do.
        platform: "cpu", "gpu" or "tpu".
        compiler_options: that compiling for them needs.
        notes: what is particular about them.
    """

    name: str
    devices: list[Any]
    chip: Chip
    platform: str
    compiler_options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def parse_topology(text: str) -> Topology:
    """Read a topology.

    Raises:
        ConfigError: it is not one, or its chip is not known.
    """
    match = _TOPOLOGY.fullmatch(text)
    known = ["cpu", *(chip.name for chip in CHIPS)]
    if not match or match["chip"] not in known:
        raise ConfigError(
            f"--topology={text}: wants CHIP:SHAPE with a chip of {', '.join(known)}, "
            "as in v5e:4x4, v5p:2x2x1 or h100:8"
        )
    topology = Topology(match["chip"], tuple(int(size) for size in match["shape"].split("x")))
    if topology.platform != "tpu" and len(topology.shape) > 1 or topology.devices < 1:
        raise ConfigError(f"--topology={text}: wants a number of devices, as in h100:8")
    return topology


def settle(topology: Topology) -> None:
    """Have JAX compile for devices that are not there; before it looks for any.

    Raises:
        ConfigError: the compiler for them is not installed.
    """
    if topology.platform in _HOW:
        module, name, extra = _HOW[topology.platform]
        if not _installed(module):
            raise ConfigError(
                f"--topology={topology}: {name} is not installed; pip install -e '.[{extra}]'"
            )
    os.environ.update(
        TPU_SKIP_MDS_QUERY="1",  # there is no TPU to ask
        ALLOW_MULTIPLE_LIBTPU_LOAD="1",  # nor one to hold, so several plans may be made at once
        TPU_ACCELERATOR_TYPE=os.environ.get("TPU_ACCELERATOR_TYPE", "none"),
        TPU_WORKER_HOSTNAMES=os.environ.get("TPU_WORKER_HOSTNAMES", "localhost"),
        JAX_SKIP_CUDA_CONSTRAINTS_CHECK="1",
        TF_CPP_MIN_LOG_LEVEL=os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
    )
    import jax

    jax.config.update("jax_platforms", "cpu")
    if topology.platform == "cpu":
        jax.config.update("jax_num_cpu_devices", topology.devices)


def absent(topology: Topology) -> Target:
    """Describe devices that are not there.

    Raises:
        ConfigError: there is no such arrangement of them.
    """
    from jax.experimental import topologies

    chip = next(chip for chip in CHIPS if chip.name == topology.chip)
    name, options, notes = str(topology), {}, ()
    if topology.platform == "tpu":
        words = {"platform": "tpu", "topology_name": name}
    else:
        hosts, rest = divmod(topology.devices, _SHARED)
        if rest and hosts:
            raise ConfigError(f"--topology={name}: wants up to {_SHARED} devices or a multiple")
        shape = f"1x{hosts or 1}x{_SHARED if hosts else topology.devices}"
        words = {"platform": "cuda", "topology": shape, "target_config": _describe(chip)}
        # Kernels are tried out on a device when there is one.
        options = {"xla_gpu_autotune_level": 0}
        notes = ("compiled without trying kernels out, which takes a GPU: others may be chosen",)
    try:
        with captured():
            devices = topologies.get_topology_desc(**words).devices  # type: ignore[arg-type]
    except Exception as error:  # whatever a plugin of another make raises
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"--topology={name}: the compiler refuses it: {reason}") from error
    return Target(name, list(devices), chip, topology.platform, options, notes)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _describe(chip: Chip) -> str:
    """Write down a GPU as XLA's compiler wants to know it (`GpuTargetConfigProto`).

    The figures of NVIDIA's compute capabilities 8.0 and 9.0 are those of appendix "Compute
    Capabilities" of the CUDA C++ Programming Guide.
    """
    ampere = chip.name == "a100"
    numbers = {
        "core_count": 108 if ampere else 132,
        "fpus_per_core": 64 if ampere else 128,
        "clock_rate_ghz": 1.41 if ampere else 1.98,
        "device_memory_size": int(chip.memory),
        "memory_bandwidth": int(chip.bandwidth),
        "l2_cache_size": (40 if ampere else 50) * 2**20,
        "threads_per_warp": 32,
        "threads_per_block_limit": 1024,
        "threads_per_core_limit": 2048,
        "registers_per_block_limit": 65536,
        "registers_per_core_limit": 65536,
        "shared_memory_per_block": 48 * 2**10,
        "shared_memory_per_block_optin": (163 if ampere else 227) * 2**10,
        "shared_memory_per_core": (164 if ampere else 228) * 2**10,
        "block_dim_limit_x": 2**31 - 1,
        "block_dim_limit_y": 65535,
        "block_dim_limit_z": 65535,
    }
    fields = " ".join(f"{name}: {number}" for name, number in numbers.items())
    capability = f"cuda_compute_capability {{ major: {8 if ampere else 9} }}"
    return (
        f"gpu_device_info {{ {capability} {fields} }} "
        f'platform_name: "CUDA" device_description_str: "{chip.kinds[0]}" '
        "dnn_version_info { major: 9 minor: 8 }"
    )
