"""Checkpoints that are whole, verified, and never of numbers that are not finite.

Each is a folder that `checkpoint_folder` writes and verifies; it takes its name by a rename.
"""

import shutil
import time
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bert_jax.disk import refusal, sync
from bert_jax.errors import CheckpointError, ConfigError, DiskError, NumericsError
from bert_jax.training.checkpoint_folder import (
    MANIFEST,
    PARAMS,
    check_fit,
    finish,
    load_state,
    load_tree,
    quiet,
    verified,
    write_arrays,
)
from bert_jax.training.processes import current
from bert_jax.training.state import TrainState, flatten, nest

_POLL = 0.1  # seconds between two looks whether a folder is gone
_SETTLED = 2.0  # seconds after which what stayed away is taken to be gone for good
_PATIENCE = 20.0  # seconds to wait for that


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, one folder a step.

    Several processes save and restore together, in a folder that they share: each writes its part
    of the arrays, the first does all else.

    Attributes:
        directory: where they are.
        keep: how many of the newest stay.

    Raises:
        ConfigError: none would stay.
    """

    directory: Path
    keep: int

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise ConfigError(f"config.train.keep_checkpoints={self.keep}: wants 1 or more")

    def save(self, state: TrainState, extra: dict[str, Any]) -> Path:
        """Store a state and a JSON object beside it; return when it is durable.

        Whatever is newer goes: it is damaged, or `restore` would have taken it.

        Raises:
            NumericsError: a parameter or a moment is not finite; nothing is stored.
            DiskError: the file system refuses; nothing is stored, and what was there stays.
        """
        step = int(state.step)
        bad = _not_finite({"params": state.params, "opt_state": state.opt_state})
        if bad:
            raise NumericsError(f"step {step}: {bad[0]} is not finite; nothing was saved")
        final, processes = self._folder(step), current()
        with quiet():
            self._write(final, state, extra)
        if processes.first:
            steps = self.steps()
            for newer in steps[steps.index(step) + 1 :]:
                self._retire(self._folder(newer))
            self.thin()
        processes.barrier("checkpoint saved")
        return final

    def _write(self, final: Path, state: TrainState, extra: dict[str, Any]) -> None:
        """Write a checkpoint under another name, and give it its own when it is durable."""
        processes = current()
        partial = self.directory / f".{final.name}.partial"
        at_work = True  # other threads, of Orbax's
        try:
            if processes.first:
                self.directory.mkdir(parents=True, exist_ok=True)
                self._remove_leftovers()
            processes.barrier("room for a checkpoint")
            write_arrays(partial, state)
            at_work = False
            processes.barrier("arrays written")
            if processes.first:
                finish(partial, state, extra)
                if final.exists():  # a step saved again after a damaged one was passed over
                    self._retire(final)
                partial.rename(final)
                sync(self.directory)
        except Exception as error:  # Orbax and TensorStore wrap what the system said
            if processes.first:
                _remove(partial, at_work)
            reason = refusal(error)
            if reason is None:
                raise
            raise DiskError(
                f"{final}: could not be saved ({reason}); the checkpoint before it is good: make "
                "room, and the same command continues from there"
            ) from error

    def thin(self) -> None:
        """Remove all but the newest that are to stay."""
        for older in self.steps()[: -self.keep]:
            self._retire(self._folder(older))
        self._remove_leftovers()

    def restore(
        self, like: TrainState, among: Collection[int] | None = None
    ) -> tuple[TrainState, dict[str, Any]] | None:
        """Load the newest good checkpoint, or None where there is none at all.

        Args:
            like: shapes, dtypes and shardings wanted, as `jax.ShapeDtypeStruct`.
            among: the steps that are looked at; None: all.

        Raises:
            CheckpointError: there are checkpoints but none is good, or the newest good one is
                of another model or optimizer.
        """
        processes = current()
        # The first reads every byte to verify it; the others restore what it chose.
        folder = self._newest_good(like, among) if processes.first else None
        name = processes.told("checkpoint", folder.name if folder else "")
        return load_state(self.directory / name, like) if name else None

    def _newest_good(self, like: TrainState, among: Collection[int] | None) -> Path | None:
        steps = [step for step in self.steps() if among is None or step in among]
        for step in reversed(steps):
            folder = self._folder(step)
            try:
                manifest = verified(folder)
            except CheckpointError as error:
                warnings.warn(f"passing over a damaged checkpoint: {error}", stacklevel=3)
                continue
            check_fit(folder, manifest, like)
            return folder
        if steps:
            raise CheckpointError(
                f"{self.directory}: no checkpoint is good (steps {steps}); remove the folder to "
                "start anew, or restore it from a backup"
            )
        return None

    def steps(self) -> list[int]:
        """List the steps that have a checkpoint, oldest first."""
        if not self.directory.is_dir():
            return []
        return sorted(
            int(path.name)
            for path in self.directory.iterdir()
            if path.name.isdecimal() and path == self._folder(int(path.name)) and path.is_dir()
        )

    def _folder(self, step: int) -> Path:
        return self.directory / f"{step:08d}"

    def _retire(self, folder: Path) -> None:
        # Renamed first: a kill in the middle leaves no folder that looks like a checkpoint.
        folder.rename(folder.with_name(f".{folder.name}.removed"))

    def _remove_leftovers(self) -> None:
        for pattern in (".*.partial", ".*.removed"):
            for path in self.directory.glob(pattern):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def restore_common(
    runs: Sequence[Checkpoints], like: TrainState
) -> list[tuple[TrainState, dict[str, Any]]] | None:
    """Load the newest step of which all runs have a good checkpoint, or None where there is none.

    Raises:
        CheckpointError: as of `Checkpoints.restore`.
    """
    steps = set.intersection(*(set(run.steps()) for run in runs))
    while steps:
        found = [restored for run in runs if (restored := run.restore(like, among=steps))]
        newest = [int(state.step) for state, _ in found]
        if min(newest) == max(newest):
            return found
        steps = {step for step in steps if step <= min(newest)}  # a run's newer one is damaged
    return None


def load_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Load only the parameters of the newest checkpoint, by their paths.

    Args:
        folder: `checkpoints/` of a run.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    steps = Checkpoints(folder, keep=1).steps()
    if not steps:
        raise CheckpointError(f"{folder}: there is no checkpoint")
    newest = folder / f"{steps[-1]:08d}"
    stored = verified(newest)["arrays"]["params"]
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    try:
        like = {
            path: jax.ShapeDtypeStruct(shape, dtype, sharding=device)
            for path, (shape, dtype) in stored.items()
        }
        tree = nest(like)
    except (AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{newest / MANIFEST}: its arrays are no arrays ({error})") from error
    return flatten(jax.device_get(load_tree(newest / PARAMS, tree)))


def _remove(folder: Path, at_work: bool) -> None:
    """Remove what was begun.

    Args:
        folder: what.
        at_work: other threads may be writing there. Where an array cannot be written TensorStore
            goes on with the rest, makes the folder anew for it, and tells nobody when it is done.
    """
    shutil.rmtree(folder, ignore_errors=True)
    end = time.monotonic() + _PATIENCE
    settled = time.monotonic() + _SETTLED
    while at_work and time.monotonic() < min(settled, end):
        time.sleep(_POLL)
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
            settled = time.monotonic() + _SETTLED


def _not_finite(tree: Any) -> list[str]:
    finite = flatten(jax.device_get(_finite(tree)))
    return [path for path, good in finite.items() if not good]


@jax.jit
def _finite(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.isfinite(leaf).all(), tree)
