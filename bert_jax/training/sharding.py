"""Which device holds what: a mesh, names for the dimensions of every array, rules between them.

Parameters and batches are cut once and for all, as is said here; what is computed from them, as
`activations.py` says.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from bert_jax.errors import ConfigError
from bert_jax.model import ACTIVATION_DIMENSIONS
from bert_jax.training.state import path_of

# The last ones are next to one another among the devices: what they send is sent most often.
AXES = ("data", "fsdp", "sequence", "tensor")

# The logical dimensions of each parameter, by the end of its path. Every parameter matches exactly
# one row; a test holds that. The optimizer's moments end in the same paths and follow along.
PARAMETER_DIMENSIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"embeddings/token/embedding", ("vocab", "embed")),
    (r"embeddings/(position|token_type)/embedding", ("position", "embed")),
    (r"layer_norm/(scale|bias)", ("norm",)),
    (r"attention/(query|key|value)/kernel", ("embed", "heads")),
    (r"attention/(query|key|value)/bias", ("heads",)),
    (r"attention/output/kernel", ("heads", "embed")),
    (r"attention/output/bias", ("norm",)),
    (r"feed_forward/intermediate/kernel", ("embed", "mlp")),
    (r"feed_forward/intermediate/bias", ("mlp",)),
    (r"feed_forward/output/kernel", ("mlp", "embed")),
    (r"feed_forward/output/bias", ("norm",)),
    (r"(pooler/dense|transform)/kernel", ("embed", "norm")),
    (r"(pooler/dense|transform)/bias", ("norm",)),
    (r"masked_language_model/decoder", ("vocab", "embed")),
    (r"masked_language_model/bias", ("vocab",)),
    (r"(next_sentence/dense|classifier|span)/kernel", ("embed", "class")),
    (r"(next_sentence/dense|classifier|span)/bias", ("class",)),
    (r"crf/transitions", ("class", "class")),
    (r"crf/(start|end)", ("class",)),
)
DIMENSIONS = tuple(
    dict.fromkeys((*ACTIVATION_DIMENSIONS, *(d for _, dims in PARAMETER_DIMENSIONS for d in dims)))
)


@dataclass(frozen=True)
class MeshConfig:
    """Devices along each axis; one axis may be -1: all that remain.

    Attributes:
        data: copies of the model, each with rows of its own.
        fsdp: like data, with parameters and optimizer state cut over it.
        tensor: parts of each layer's heads, feed-forward and vocabulary.
        sequence: parts of each row's tokens.
    """

    data: int
    fsdp: int
    tensor: int
    sequence: int = 1


@dataclass(frozen=True)
class Sharding:
    """A mesh, and for each logical dimension the mesh axes it is cut over.

    Raises:
        ConfigError: a rule names an unknown dimension or axis, or misses a dimension.
    """

    mesh: Mesh
    rules: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        for name, axes in self.rules.items():
            if name not in DIMENSIONS:
                raise ConfigError(
                    f"config.rules.{name}: no such dimension; known are {', '.join(DIMENSIONS)}"
                )
            for axis in axes:
                if axis not in self.mesh.axis_names:
                    raise ConfigError(
                        f"config.rules.{name}: no mesh axis {axis!r}; "
                        f"known are {', '.join(self.mesh.axis_names)}"
                    )
        for name in DIMENSIONS:
            if name not in self.rules:
                raise ConfigError(f"config.rules.{name}: missing; () leaves a dimension whole")
        both = set(self.rules["batch"]) & set(self.rules["sequence"])
        if both:
            raise ConfigError(
                f"config.rules.sequence: {', '.join(sorted(both))} cuts the rows of a batch "
                "already; an axis cuts rows or their tokens"
            )

    @property
    def replicated(self) -> NamedSharding:
        """The whole array on every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    @property
    def batch(self) -> NamedSharding:
        """Rows cut over the axes of the batch."""
        return NamedSharding(self.mesh, PartitionSpec(self.rules["batch"]))

    @property
    def batch_devices(self) -> int:
        """Number of parts that the rows of a batch are cut into."""
        return self._parts(self.rules["batch"])

    @property
    def sequence_devices(self) -> int:
        """Number of parts that the tokens of a row are cut into."""
        return self._parts(self.rules["sequence"])

    @property
    def platform(self) -> str:
        """What the devices are: "cpu", "gpu" or "tpu"."""
        return self.mesh.devices.flat[0].platform

    @property
    def compiler_options(self) -> dict[str, bool]:
        """What a step is to be compiled with, beside the defaults.

        A GPU rounds where the model says so: XLA would go on with the float32 numbers that it has,
        and so write them to memory and read them.
        """
        return {"xla_allow_excess_precision": False} if self.platform == "gpu" else {}

    def batch_of(self, rows: int, make: Callable[[NDArray[np.int64]], Any]) -> Any:
        """Make a batch on the devices, each process only the rows that its own devices hold.

        Which these are, the sharding says: neither are the devices of a process next to one
        another in a mesh, nor is a row on one device alone.

        Args:
            rows: of the whole batch.
            make: from places in the batch, ascending, to a pytree of arrays with those rows.
        """
        held = self.batch.addressable_devices_indices_map((rows,)).values()
        places = np.unique(np.concatenate([np.arange(rows)[index] for index in held]))

        def place(array: NDArray[Any]) -> Array:
            def part(index: Any) -> NDArray[Any]:
                return array[np.searchsorted(places, np.arange(rows)[index[0]])]

            return jax.make_array_from_callback((rows, *array.shape[1:]), self.batch, part)

        return jax.tree.map(place, make(places))

    def abstract(self, make: Callable[[], Any]) -> Any:
        """Give shape, dtype and sharding of each leaf that a function would make."""
        shapes = jax.eval_shape(make)
        return jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            shapes,
            self.of_state(shapes),
        )

    def of_state(self, shapes: Any) -> Any:
        """Give each leaf of a state its sharding: parameters and what ends in their paths.

        Args:
            shapes: a pytree of `jax.ShapeDtypeStruct`.

        Raises:
            ConfigError: a dimension is not a multiple of the devices it is cut over, or one
                axis is used for two dimensions of the same array.
        """
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: self._of_leaf(path_of(path), leaf.shape), shapes
        )

    def _of_leaf(self, path: str, shape: tuple[int, ...]) -> NamedSharding:
        names = dimensions_of(path)
        if names is None or len(names) != len(shape):
            return self.replicated
        axes = [self.rules[name] for name in names]
        used = [axis for group in axes for axis in group]
        if len(used) != len(set(used)):
            raise ConfigError(
                f"config.rules: {path} has dimensions {names} on axes {axes}: an axis is used twice"
            )
        for name, size, group in zip(names, shape, axes, strict=True):
            parts = self._parts(group)
            if size % parts:
                hint = (
                    f"; pad it: --config.model.vocab_size={-(-size // parts) * parts}"
                    if name == "vocab"
                    else ""
                )
                raise ConfigError(
                    f"config.mesh: {path} has {size} along {name!r}, which {parts} devices "
                    f"({'x'.join(group)}) do not divide{hint}"
                )
        return NamedSharding(self.mesh, PartitionSpec(*(group or None for group in axes)))

    def _parts(self, axes: tuple[str, ...]) -> int:
        parts = 1
        for axis in axes:
            parts *= self.mesh.shape[axis]
        return parts


def dimensions_of(path: str) -> tuple[str, ...] | None:
    """Name the dimensions of the parameter that a path ends in, or None if it ends in none."""
    for pattern, names in PARAMETER_DIMENSIONS:
        if re.search(f"(^|[/_]){pattern}$", path):
            return names
    return None


def make_mesh(config: MeshConfig, devices: list[Any] | None = None) -> Mesh:
    """Arrange devices in a mesh; -1 takes all that remain.

    Raises:
        ConfigError: the axes do not multiply to the number of devices.
    """
    available = devices or jax.devices()
    sizes = [getattr(config, axis) for axis in AXES]
    if sizes.count(-1) > 1 or any(size < 1 and size != -1 for size in sizes):
        raise ConfigError(f"config.mesh: {config}: sizes are at least 1, and one of them may be -1")
    known = 1
    for size in sizes:
        known *= size if size > 0 else 1
    if -1 in sizes and len(available) % known == 0:
        sizes[sizes.index(-1)] = len(available) // known
        known = len(available)
    if known != len(available):
        raise ConfigError(
            f"config.mesh: {' x '.join(AXES)} = {' x '.join(map(str, sizes))} does not give "
            f"the {len(available)} devices there are"
        )
    # Linen's layers take no output shardings, so XLA's propagation has to find those: Auto axes.
    automatic = (AxisType.Auto,) * len(AXES)
    return jax.make_mesh(sizes, AXES, axis_types=automatic, devices=available)


def placed(tree: Any, shardings: Any) -> Any:
    """Put arrays that every process has whole where their shardings say: one for all, or each."""

    def place(array: Any, sharding: NamedSharding) -> Array:
        whole: Any = np.asarray(array)
        return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])

    if isinstance(shardings, NamedSharding):
        return jax.tree.map(lambda array: place(array, shardings), tree)
    return jax.tree.map(place, tree, shardings)


def gathered(tree: Any) -> Any:
    """Fetch arrays whole, wherever their parts lie; all processes have to ask."""

    def whole(array: Array) -> Array:
        if array.is_fully_addressable or array.is_fully_replicated:
            return array
        return multihost_utils.process_allgather(array, tiled=True)

    return jax.device_get(jax.tree.map(whole, tree))
