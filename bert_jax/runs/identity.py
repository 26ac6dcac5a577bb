"""Whether a run that continues is still the same run."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bert_jax.errors import ConfigError, DataError
from bert_jax.training.processes import Processes
from bert_jax.whole import write_json

# What may differ when a run continues: how long, how often, on what, and where things are computed,
# and what becomes of steps that went wrong.
MAY_CHANGE = (
    "budget_minutes",
    "train.steps",
    "train.predictions_at_once",
    "train.log_every",
    "train.eval_every",
    "train.checkpoint_every",
    "train.keep_checkpoints",
    "train.watchdog_seconds",
    "train.skipped_steps_limit",
    "train.spike_",
    "probe.",
    "prepare.workers",
    "mesh.",
    "rules.",
    "scan_layers",
    "seeds_at_once",
    "rematerialize",
    "attention",
)
# What runs that were begun before there was such a field did.
BEFORE = {"optimizer.mu_dtype": "float32", "data.dupe_factor": 0}


def check_config(path: Path, config: Mapping[str, Any]) -> None:
    """Check a config against the one that a run was started with, if that was kept.

    Raises:
        ConfigError: something differs that would make it another run.
    """
    if not path.exists():
        return
    try:
        before = dict(_flatten(json.loads(path.read_text(encoding="utf-8"))))
    except (ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path}: unreadable ({error})") from error
    now = dict(_flatten(json.loads(json.dumps(config))))
    before = {name: value for name, value in BEFORE.items() if name in now} | before
    differences = [
        f"{name}: was {before.get(name)!r}, now {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name) and not name.startswith(MAY_CHANGE)
    ]
    if differences:
        raise ConfigError(
            f"{path.parent} holds a run with another config ({'; '.join(differences)}); "
            "continue it with the old values, or choose another --workdir"
        )


def keep_config(path: Path, config: Mapping[str, Any]) -> None:
    """Store a run's config; a file that says the same is left as it is."""
    try:
        same = json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(config))
    except (OSError, ValueError, RecursionError):
        same = False
    if not same:
        write_json(path, config)


def check_fingerprint(run: Mapping[str, Any], name: str, fingerprint: str, what: str) -> None:
    """Check that a run continues on the data it began with.

    Args:
        run: what run.json says; nothing where the run has not begun.
        name: the entry there.
        fingerprint: of the data as it is now.
        what: the data and where it is, for the message.

    Raises:
        DataError: it is other data.
    """
    if run.get(name, fingerprint) != fingerprint:
        raise DataError(
            f"{what} is not what this run began with; give that back as config.data.path, or "
            "choose another --workdir"
        )


def check_same(processes: Processes, what: str, value: Any) -> None:
    """Check that all processes of a run were given the same.

    Raises:
        ConfigError: this one was given something else than process 0.
    """
    text = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    if processes.told(what, text) != text:
        raise ConfigError(
            f"{processes.name(processes.index)} has another {what} than process 0; the command "
            "and what it reads have to be the same on every host"
        )


def _flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
