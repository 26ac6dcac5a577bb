"""Negative controls: a restore that forgets one thing, which the comparison has to notice."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp

from bert_jax import cli
from bert_jax.runs import pretraining
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.training import loop
from bert_jax.training.checkpoints import Checkpoints
from experiments.faults import folders, resume_every_step, toy
from experiments.faults.reference import Reference
from experiments.faults.tries import Campaign, Result, Try

_STEP = 10  # no log and no evaluation falls on it


def _key(state: Any, window: Any) -> tuple[Any, Any]:
    return dataclasses.replace(state, key=jax.random.key(12345)), window


def _optimizer(state: Any, window: Any) -> tuple[Any, Any]:
    """Forget the moments, but not how many steps they are of."""

    def forget(leaf: jax.Array) -> jax.Array:
        return jnp.zeros_like(leaf) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return dataclasses.replace(state, opt_state=jax.tree.map(forget, state.opt_state)), window


def _schedule(state: Any, window: Any) -> tuple[Any, Any]:
    """Forget how many steps there were: the rate begins anew."""

    def forget(leaf: jax.Array) -> jax.Array:
        return leaf if jnp.issubdtype(leaf.dtype, jnp.floating) else jnp.zeros_like(leaf)

    return dataclasses.replace(state, opt_state=jax.tree.map(forget, state.opt_state)), window


def _metrics(state: Any, window: Any) -> tuple[Any, Any]:
    return state, {}


def restoring(forget: Callable[[Any, Any], tuple[Any, Any]]) -> contextlib.AbstractContextManager:
    """Have every restore forget something."""
    whole = Checkpoints.restore

    def restore(self: Checkpoints, like: Any) -> Any:
        restored = whole(self, like)
        return restored and forget(*restored)

    return mock.patch.object(Checkpoints, "restore", restore)


@contextlib.contextmanager
def _from_the_first_batch() -> Iterator[None]:
    """Have training begin with the first batch again."""
    whole = loop.prefetched

    def prefetched(make: Callable[[int], Any], start: int, end: int) -> Iterator[Any]:
        return whole(lambda index: make(index - start), start, end)

    with mock.patch.object(loop, "prefetched", prefetched):
        yield


FORGOTTEN: dict[str, Callable[[], contextlib.AbstractContextManager]] = {
    "nothing": contextlib.nullcontext,
    "key": lambda: restoring(_key),
    "optimizer": lambda: restoring(_optimizer),
    "input position": _from_the_first_batch,
    "schedule": lambda: restoring(_schedule),
    "metrics": lambda: restoring(_metrics),
}


def attempt(reference: Reference, one: Try) -> Result:
    """Continue a run with something forgotten, and compare as the campaigns do."""
    name = list(FORGOTTEN)[one.number]
    run = resume_every_step.interrupted(reference, _STEP, one.folder)
    values = toy.run_values(reference.text, reference.changes)
    config = cli.build(PretrainConfig, values, "config")
    with FORGOTTEN[name]():
        code = pretraining.run(config, values, run, "the command")
    different = folders.differences(folders.outcome(run, reference.like), reference.outcome)
    if name == "nothing":
        good = code == 0 and not different
        return Result("nothing forgotten, nothing different" if good else "other", good)
    kind = "caught" if different else "not caught"
    return Result(kind, bool(different), f"{name}: exit code {code}")


CAMPAIGN = Campaign(
    asked="key, optimizer, input position, schedule, metrics not restored: 5 of 5 caught",
    tries=len(FORGOTTEN),
    short=2,
    prepare=resume_every_step.prepare,
    attempt=attempt,
)
