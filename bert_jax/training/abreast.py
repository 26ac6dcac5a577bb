"""How the steps of runs that differ in their seeds alone are computed together.

Vectorized, the runs are one more axis of every array, and small batches fill a device that one of
them leaves idle. Side by side, each run has the arrays and the compiled step that it has alone, and
steps of several are in progress at the same time.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from bert_jax.objectives.objective import Metrics
from bert_jax.training.state import TrainState, replaced, select
from bert_jax.training.step import TrainStep

# Of a run that has ended: no gradient is so small, so a step changes nothing.
NO_STEP = -np.inf

# Steps in progress at the same time: with 2, 4 and 8 of them, 2 cores took 0.90, 0.86 and 0.90 of
# the time of one after another (experiments/seeds_at_once).
_LANES = 4

# What each run's step tells, by its place: metrics, and the norm of each parameter's gradient, as
# numbers of the host.
Told = Mapping[int, tuple[Metrics, NDArray[np.float32]]]


class Abreast(Protocol):
    """Several runs whose steps are computed together; each has its place among them."""

    def load(self, states: Sequence[TrainState]) -> Any:
        """Take the states of all, which stand at the same step; they are donated."""
        ...

    def put(self, batches: Sequence[Any]) -> Any:
        """Put the batches of all on the device."""
        ...

    def step(
        self, states: Any, batches: Any, rates: NDArray[np.float32], limits: NDArray[np.float32]
    ) -> tuple[Any, Callable[[], Told]]:
        """Step all; give the states after, and a function that waits for what the steps tell.

        Args:
            states: as `load` gives them; they are donated.
            batches: as `put` gives them.
            rates: the learning rate of each.
            limits: the largest norm that the gradient of each may have; `NO_STEP` for one that
                has ended.
        """
        ...

    def one(self, states: Any, place: int) -> TrainState:
        """Give the state of one run; to be used before the next step."""
        ...


@dataclass(frozen=True)
class SideBySide:
    """Each run's step by itself, those of up to `_LANES` runs at the same time.

    A core that has no more to do of one step goes on with another's. JAX computes on a CPU what
    one thread asks for one after another, so each lane asks from a thread of its own.

    Attributes:
        of_one: the jitted step of a run, which donates its state.
        place: puts the batch of a run on the device.
    """

    of_one: TrainStep
    place: Callable[[Any], Any]

    @functools.cached_property
    def _lanes(self) -> list[ThreadPoolExecutor]:
        return [ThreadPoolExecutor(1, f"lane {number}") for number in range(_LANES)]

    def load(self, states: Sequence[TrainState]) -> list[TrainState]:
        """See `Abreast`."""
        return list(states)

    def put(self, batches: Sequence[Any]) -> list[Any]:
        """See `Abreast`."""
        return [self.place(batch) for batch in batches]

    def step(
        self,
        states: list[TrainState],
        batches: list[Any],
        rates: NDArray[np.float32],
        limits: NDArray[np.float32],
    ) -> tuple[list[TrainState], Callable[[], Told]]:
        """See `Abreast`."""
        after, told, begun = list(states), {}, {}
        for place, given in enumerate(zip(states, batches, rates, limits, strict=True)):
            if limits[place] > NO_STEP:
                lane = self._lanes[len(begun) % _LANES]
                begun[place] = lane.submit(self.of_one, *given)
                if len(begun) == 1:  # compiled by one of them alone
                    begun[place].result()
        for place, step in begun.items():
            after[place], metrics, norms = step.result()
            told[place] = metrics, norms
        return after, functools.cache(lambda: jax.device_get(told))

    def one(self, states: list[TrainState], place: int) -> TrainState:
        """See `Abreast`."""
        return states[place]


@dataclass(frozen=True)
class Vectorized:
    """All runs at once: what moves has a first axis, the runs; what does not is there once.

    Attributes:
        of_one: the step of a run, a pure function.
        moves: tells by its path whether a parameter is trained.
        shardings: of the state of one run.
        place: puts arrays on the device.
        compiler_options: what the step is compiled with, beside the defaults.
    """

    of_one: TrainStep
    moves: Callable[[str], bool]
    shardings: Any
    place: Callable[[Any], Any]
    compiler_options: dict[str, bool] = field(default_factory=dict)

    def load(self, states: Sequence[TrainState]) -> TrainState:
        """See `Abreast`."""
        together = self._stack(*states)
        for place, state in enumerate(states):  # of what does not move, the first one's stays
            for leaf in jax.tree.leaves(state if place else self._moving(state)):
                leaf.delete()
        return together

    def put(self, batches: Sequence[Any]) -> Any:
        """See `Abreast`."""
        return self.place(jax.tree.map(lambda *arrays: np.stack(arrays), *batches))

    def step(
        self,
        states: TrainState,
        batches: Any,
        rates: NDArray[np.float32],
        limits: NDArray[np.float32],
    ) -> tuple[TrainState, Callable[[], Told]]:
        """See `Abreast`."""
        after, metrics, norms = self._step(states, batches, rates, limits)

        @functools.cache
        def told() -> Told:
            each = jax.device_get((metrics, norms))
            return {i: jax.tree.map(lambda x, i=i: x[i], each) for i in range(len(rates))}

        return after, told

    def one(self, states: TrainState, place: int) -> TrainState:
        """See `Abreast`."""
        return self._one(states, place)

    @functools.cached_property
    def _stack(self) -> Callable[..., TrainState]:
        def stack(*states: TrainState) -> TrainState:
            moving = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(self._moving, states))
            return self._whole(moving, states[0].params)

        return jax.jit(stack)

    @functools.cached_property
    def _one(self) -> Callable[[TrainState, int], TrainState]:
        def one(states: TrainState, place: int) -> TrainState:
            moving = jax.tree.map(lambda leaf: leaf[place], self._moving(states))
            return self._whole(moving, states.params)

        return jax.jit(one, out_shardings=self.shardings)

    @functools.cached_property
    def _step(self) -> Callable[..., tuple[TrainState, Metrics, Array]]:
        def step(states: TrainState, *given: Any) -> tuple[TrainState, Metrics, Array]:
            def step_one(moving: TrainState, *given: Any) -> tuple[TrainState, Metrics, Array]:
                whole = self._whole(moving, states.params)
                after, metrics, norms = self.of_one(whole, *given)
                return self._moving(after), metrics, norms

            moving, metrics, norms = jax.vmap(step_one)(self._moving(states), *given)
            return self._whole(moving, states.params), metrics, norms

        return jax.jit(step, donate_argnums=0, compiler_options=self.compiler_options)

    def _moving(self, state: TrainState) -> TrainState:
        return replace(state, params=select(state.params, self.moves))

    def _whole(self, moving: TrainState, params: Any) -> TrainState:
        still = select(params, lambda path: not self.moves(path))
        return replace(moving, params=replaced(still, moving.params))
