"""What folders hold, and whether two runs ended alike, to the bit."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bert_jax.data.shards import MANIFEST, open_corpus
from bert_jax.errors import BertJaxError
from bert_jax.training.checkpoint_folder import verified
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.state import TrainState, flatten

# What a clock decides.
_TIMED = (
    *("sequences_per_second", "tokens_per_second", "useful_tokens_per_second"),
    *("model_flops_per_second", "peak_share"),
)
_TEMPORARY = (".partial", ".removed", ".orbax-checkpoint-tmp")


def contents(folder: Path) -> dict[str, str]:
    """Return a sum of every file below a folder, by its path; links by what they point to."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def leftovers(folder: Path) -> list[str]:
    """Name what only a process at work may have there."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return sorted(name for name in names if name.endswith(_TEMPORARY))


def steps(run: Path) -> list[int]:
    """List the steps of a run's checkpoints."""
    return Checkpoints(run / "checkpoints", keep=1).steps()


def lines(path: Path) -> list[dict[str, Any]]:
    """Read the whole lines of a JSONL file; a last one may still be being written."""
    if not path.exists():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def corrupt(run: Path) -> list[str]:
    """Say what is wrong with those artefacts of a run that stand under their final names."""
    problems = []
    for step in steps(run):
        try:
            verified(run / "checkpoints" / f"{step:08d}")
        except BertJaxError as error:
            problems.append(str(error))
    if (run / "corpus").exists():
        try:
            open_corpus(run / "corpus")
        except BertJaxError as error:
            problems.append(str(error))
    return problems


def outcome(run: Path, like: TrainState) -> dict[str, Any]:
    """Gather how a run ended: its last state as bytes, its window, metrics, samples and corpus."""
    restored = Checkpoints(run / "checkpoints", keep=1).restore(like)
    assert restored is not None, run
    state, window = restored
    raw = dataclasses.replace(state, key=jax.random.key_data(state.key))
    arrays = {path: np.asarray(leaf).tobytes() for path, leaf in flatten(raw).items()}
    metrics = [
        {name: value for name, value in line.items() if name not in _TIMED}
        for line in lines(run / "metrics.jsonl")
    ]
    manifest = run / "corpus" / MANIFEST
    return {
        **arrays,
        "window": window,
        "metrics": metrics,
        "samples": lines(run / "samples.jsonl"),
        "corpus": manifest.read_bytes() if manifest.exists() else None,
    }


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Name what differs between two outcomes."""
    return sorted(k for k in one.keys() | other.keys() if one.get(k) != other.get(k))
