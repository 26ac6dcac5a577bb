"""Checkpoints that are whole, verified, and never of numbers that are not finite.

Orbax stores the arrays. It does not notice flipped bits, changes dtypes without a word and saves
NaN, so around it stand a manifest with a sha256 for each file and the shape and dtype of each
array, written last, and a rename that makes the checkpoint appear at once.
"""

import hashlib
import json
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from bert_jax.errors import CheckpointError, NumericsError
from bert_jax.training.state import TrainState, flatten, nest
from bert_jax.whole import write_json

MANIFEST = "manifest.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, one folder a step.

    Attributes:
        directory: where they are.
        keep: how many of the newest stay.
    """

    directory: Path
    keep: int

    def save(self, state: TrainState, extra: dict[str, Any]) -> Path:
        """Store a state and a JSON object beside it; return when it is durable.

        Raises:
            NumericsError: a parameter or a moment is not finite; nothing is stored.
        """
        step = int(state.step)
        bad = _not_finite({"params": state.params, "opt_state": state.opt_state})
        if bad:
            raise NumericsError(f"step {step}: {bad[0]} is not finite; nothing was saved")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers()
        final, partial = self._folder(step), self.directory / f".{step:08d}.partial"
        rest = {"opt_state": state.opt_state, "step": state.step, "key": state.key}
        ocp.save(str((partial / "params").absolute()), state.params)
        ocp.save(str((partial / "state").absolute()), rest)
        write_json(partial / "extra.json", extra)
        files = {
            str(path.relative_to(partial)): {"sha256": _sha256(path), "bytes": path.stat().st_size}
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        }
        arrays = {"params": _signature(state.params), "state": _signature(rest)}
        manifest = {"format_version": FORMAT_VERSION, "step": step, "arrays": arrays}
        write_json(partial / MANIFEST, manifest | {"files": files})
        if final.exists():  # a step saved again after a damaged checkpoint was passed over
            shutil.rmtree(final)
        partial.rename(final)
        for old in self.steps()[: -self.keep]:
            self._remove(self._folder(old))
        return final

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """Load the newest good checkpoint, or None where there is none at all.

        Args:
            like: shapes, dtypes and shardings wanted, as `jax.ShapeDtypeStruct`.

        Raises:
            CheckpointError: there are checkpoints but none is good, or the newest good one is
                of another model or optimizer.
        """
        steps = self.steps()
        for step in reversed(steps):
            folder = self._folder(step)
            try:
                manifest = _verified(folder)
            except CheckpointError as error:
                warnings.warn(f"passing over a damaged checkpoint: {error}", stacklevel=2)
                continue
            rest = {"opt_state": like.opt_state, "step": like.step, "key": like.key}
            _check_fit(folder, manifest["arrays"]["params"], like.params)
            _check_fit(folder, manifest["arrays"]["state"], rest)
            params = ocp.load(str((folder / "params").absolute()), like.params)
            rest = ocp.load(str((folder / "state").absolute()), rest)
            extra = json.loads((folder / "extra.json").read_text())
            return TrainState(params=params, **rest), extra
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
        return sorted(int(path.name) for path in self.directory.iterdir() if path.name.isdigit())

    def _folder(self, step: int) -> Path:
        return self.directory / f"{step:08d}"

    def _remove_leftovers(self) -> None:
        for pattern in (".*.partial", ".*.removed"):
            for path in self.directory.glob(pattern):
                shutil.rmtree(path)

    def _remove(self, folder: Path) -> None:
        # Renamed first: a kill in the middle leaves no folder that looks like a checkpoint.
        doomed = folder.with_name(f".{folder.name}.removed")
        folder.rename(doomed)
        shutil.rmtree(doomed)


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
    stored = _verified(newest)["arrays"]["params"]
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = {
        path: jax.ShapeDtypeStruct(shape, dtype, sharding=device)
        for path, (shape, dtype) in stored.items()
    }
    params = ocp.load(str((newest / "params").absolute()), nest(like))
    return flatten(jax.device_get(params))


def _verified(folder: Path) -> dict[str, Any]:
    """Read a checkpoint's manifest and check every file against it."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files, version = manifest["files"], manifest["format_version"]
        _ = manifest["arrays"]["params"], manifest["arrays"]["state"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: unreadable ({error})") from error
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{folder}: format {version}, this code reads {FORMAT_VERSION}")
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {MANIFEST}
    for name in sorted(present ^ set(files)):
        raise CheckpointError(f"{folder / name}: {'unknown' if name in present else 'missing'}")
    for name, entry in files.items():
        path = folder / name
        if path.stat().st_size != entry["bytes"] or _sha256(path) != entry["sha256"]:
            raise CheckpointError(f"{path}: its contents changed after it was saved")
    return manifest


def _check_fit(folder: Path, stored: dict[str, list[Any]], like: Any) -> None:
    wanted = _signature(like)
    for path in sorted(stored.keys() | wanted.keys()):
        if stored.get(path) != wanted.get(path):
            raise CheckpointError(
                f"{folder}: {path} is {_describe(stored.get(path))} in the checkpoint, "
                f"{_describe(wanted.get(path))} by the config"
            )


def _describe(signature: list[Any] | None) -> str:
    return "absent" if signature is None else f"{signature[1]}{signature[0]}"


def _signature(tree: Any) -> dict[str, list[Any]]:
    return {path: [list(leaf.shape), str(leaf.dtype)] for path, leaf in flatten(tree).items()}


def _not_finite(tree: Any) -> list[str]:
    finite = flatten(jax.device_get(_finite(tree)))
    return [path for path, good in finite.items() if not good]


@jax.jit
def _finite(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.isfinite(leaf).all(), tree)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
