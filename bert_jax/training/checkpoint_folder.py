"""One checkpoint as a folder: arrays by Orbax, and a manifest that vouches for every byte.

Orbax does not notice flipped bits and changes dtypes without a word. So beside its arrays stands a
manifest with a sha256 for each file and the shape and dtype of each array, written last and sealed.
"""

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orbax.checkpoint import v1 as ocp

from bert_jax.disk import sync
from bert_jax.errors import CheckpointError
from bert_jax.seals import file_sha256, is_intact, seal, seal_of
from bert_jax.training.state import TrainState, flatten
from bert_jax.whole import write_json

MANIFEST = "manifest.json"
PARAMS = "params"
FORMAT_VERSION = 1
_STATE = "state"
_EXTRA = "extra.json"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Orbax from logging a page for each of its threads; the error itself says enough.

    For as long as they may be at work: after an error some are for a moment more. TensorStore's
    then report to an event loop that Orbax has closed.
    """
    logger, hook = logging.getLogger("absl"), sys.unraisablehook

    def heed(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            hook(unraisable)

    before, logger.disabled, sys.unraisablehook = logger.disabled, True, heed
    try:
        yield
    finally:
        logger.disabled, sys.unraisablehook = before, hook


def write_arrays(folder: Path, state: TrainState) -> None:
    """Write the arrays of a state; of several processes each writes what its devices hold."""
    for name, tree in _trees(state).items():
        ocp.save(str((folder / name).absolute()), tree)


def finish(folder: Path, state: TrainState, extra: dict[str, Any]) -> None:
    """Write a JSON object beside the arrays and the manifest last, and bring all to disk."""
    write_json(folder / _EXTRA, extra)
    files = {}
    for path in sorted(folder.rglob("*")):
        sync(path)
        if path.is_file():
            entry = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
            files[str(path.relative_to(folder))] = entry
    manifest = {
        "format_version": FORMAT_VERSION,
        "sealed": True,
        "step": int(state.step),
        "arrays": {name: _signature(tree) for name, tree in _trees(state).items()},
        "files": files,
    }
    write_json(folder / MANIFEST, manifest)
    seal(folder / MANIFEST)
    sync(folder)


def load_state(folder: Path, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
    """Load what `write_arrays` and `finish` wrote, with shapes and shardings as in `like`."""
    params = load_tree(folder / PARAMS, like.params)
    rest = load_tree(folder / _STATE, _rest(like))
    return TrainState(params=params, **rest), _read_extra(folder / _EXTRA)


def load_tree(folder: Path, like: Any) -> Any:
    """Load arrays.

    Raises:
        CheckpointError: files that their manifest vouches for are still no such arrays.
    """
    try:
        return ocp.load(str(folder.absolute()), like)
    except (ValueError, TypeError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{folder}: its arrays cannot be read ({reason})") from error


def _read_extra(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a JSON object ({error})") from error


def verified(folder: Path) -> dict[str, Any]:
    """Read a checkpoint's manifest and check every file against it.

    Raises:
        CheckpointError: something is missing, has changed, or should not be there.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        files, version, step = (manifest[name] for name in ("files", "format_version", "step"))
        sums = {name: (entry["bytes"], entry["sha256"]) for name, entry in files.items()}
        _ = manifest["arrays"][PARAMS].keys(), manifest["arrays"][_STATE].keys()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: unreadable ({error})") from error
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{folder}: format {version}, this code reads {FORMAT_VERSION}")
    # The first checkpoints had no seal, and their manifests do not say that they have one.
    if ("sealed" in manifest or seal_of(path).exists()) and not is_intact(path):
        raise CheckpointError(f"{path}: its sha256 is not the one beside it")
    if step != int(folder.name):
        raise CheckpointError(f"{path}: it is of step {step}")
    present = {str(p.relative_to(folder)): p for p in folder.rglob("*") if not _is_folder(p)}
    for own in (MANIFEST, seal_of(path).name):
        present.pop(own, None)
    for name in sorted(present.keys() ^ sums.keys()):
        raise CheckpointError(f"{folder / name}: {'unknown' if name in present else 'missing'}")
    for name, (size, sha256) in sums.items():
        found = present[name]
        if found.is_symlink() or not found.is_file():
            raise CheckpointError(f"{found}: a link, or no file at all; wants a file")
        if found.stat().st_size != size or file_sha256(found) != sha256:
            raise CheckpointError(f"{found}: its contents changed after it was saved")
    return manifest


def check_fit(folder: Path, manifest: dict[str, Any], like: TrainState) -> None:
    """Hold the arrays of a checkpoint against those wanted.

    Raises:
        CheckpointError: one is of another shape or dtype, is missing, or is too many.
    """
    for name, tree in ((PARAMS, like.params), (_STATE, _rest(like))):
        stored, wanted = manifest["arrays"][name], _signature(tree)
        for path in sorted(stored.keys() | wanted.keys()):
            if stored.get(path) != wanted.get(path):
                raise CheckpointError(
                    f"{folder}: {path} is {_describe(stored.get(path))} in the checkpoint, "
                    f"{_describe(wanted.get(path))} by the config"
                )


def _trees(state: TrainState) -> dict[str, Any]:
    return {PARAMS: state.params, _STATE: _rest(state)}


def _rest(state: TrainState) -> dict[str, Any]:
    return {"opt_state": state.opt_state, "step": state.step, "key": state.key}


def _describe(signature: Any) -> str:
    match signature:
        case None:
            return "absent"
        case [list(shape), str(dtype)] if dtype.isprintable():
            return f"{dtype}{shape}"[:100]
    return f"no array ({signature!r:.40})"


def _signature(tree: Any) -> dict[str, list[Any]]:
    return {path: [list(leaf.shape), str(leaf.dtype)] for path, leaf in flatten(tree).items()}


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
