"""How what a step computes lies on the devices, by the rules of what it is computed from.

The model says of the few activations that decide the rest which dimensions they have; what is
between these the compiler finds. Without a word from here it may cut the width of hidden states as
parameters are cut, and gather them whole a moment later.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

from bert_jax.model import ACTIVATION_DIMENSIONS, Execution
from bert_jax.training.sharding import Sharding


@dataclass(frozen=True)
class Activations:
    """The activations of a computation on a mesh; on one device nothing is asked of them."""

    sharding: Sharding

    def place(self, execution: Execution) -> Execution:
        """Have a model computed on these devices."""
        return replace(execution, constrain=self.constrain, apart=self.apart)

    def constrain(self, x: Array, *dimensions: str | None) -> Array:
        """Cut an array along the dimensions named, each over the axes of its rule; None: whole.

        An axis cuts the first dimension that has it, and no later one. The last part is padded
        where parts do not come out even; what has fewer entries than parts, such as the rows of a
        few samples, is left to the compiler.

        Raises:
            ValueError: a name is none of the model's, or there are not as many as dimensions.
        """
        if not {None, *ACTIVATION_DIMENSIONS}.issuperset(dimensions) or len(dimensions) != x.ndim:
            raise ValueError(
                f"an activation {x.shape} has no dimensions {dimensions}: wants one of "
                f"{', '.join(ACTIVATION_DIMENSIONS)}, or None, for each"
            )
        mesh, rules = self.sharding.mesh, self.sharding.rules
        if mesh.size == 1:
            return x
        cuts: list[Any] = []
        used: set[str] = set()
        for name, size in zip(dimensions, x.shape, strict=True):
            axes = tuple(axis for axis in rules[name] if axis not in used) if name else ()
            if size < self._parts(axes):
                cuts.append(PartitionSpec.UNCONSTRAINED)
            else:
                cuts.append(axes or None)
                used.update(axes)
        return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec(*cuts)))

    def constrain_rows(self, tree: Any) -> Any:
        """Cut arrays that have an entry a row by their rows, and in no other way."""
        return jax.tree.map(lambda x: self.constrain(x, "batch", *(None,) * (x.ndim - 1)), tree)

    def by_rows(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Have each device apply a function to its own rows, where XLA would gather them all.

        Args:
            function: of an array whose rows it computes alone, and of values.
        """
        if self.sharding.mesh.size == 1:
            return function
        rows = self.sharding.batch.spec

        def call(x: Array, *values: Any) -> Any:
            of_part = jax.shard_map(
                lambda part: function(part, *values),
                mesh=self.sharding.mesh,
                in_specs=rows,
                out_specs=rows,
            )
            return of_part(x)

        return call

    def apart(
        self,
        function: Callable[..., Array],
        arguments: Sequence[Sequence[str | None]],
        result: Sequence[str | None],
    ) -> Callable[..., Array]:
        """Have each device compute its part of a function, which XLA may not be able to cut.

        Args:
            function: whose part of the result depends on the same parts of its arguments.
            arguments: the names of the dimensions of each; None: whole.
            result: of its dimensions. One that does not come out even is whole everywhere, and of
                two on the same axis the later one is.
        """
        if self.sharding.mesh.size == 1:
            return function

        def call(*arrays: Array) -> Array:
            named = zip(arguments, arrays, strict=True)
            sizes = {n: size for names, x in named for n, size in zip(names, x.shape, strict=True)}
            cuts: dict[str | None, tuple[str, ...]] = {}
            used: set[str] = set()
            for name, size in sizes.items():
                axes = self.sharding.rules[name] if name else ()
                if used.isdisjoint(axes) and size % self._parts(axes) == 0:
                    cuts[name] = axes
                    used.update(axes)

            def spec(names: Sequence[str | None]) -> PartitionSpec:
                return PartitionSpec(*(cuts.get(name) or None for name in names))

            # What varies over which axes is not checked: kernels do not tell it.
            return jax.shard_map(
                function,
                mesh=self.sharding.mesh,
                in_specs=tuple(map(spec, arguments)),
                out_specs=spec(result),
                check_vma=False,
            )(*arrays)

        return call

    def _parts(self, axes: tuple[str, ...]) -> int:
        return math.prod(self.sharding.mesh.shape[axis] for axis in axes)
