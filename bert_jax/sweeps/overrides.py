"""What a run overrides: values of fields, as text, in a config, and as a name."""

import copy
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from bert_jax.report.sweep.folder import short_names

_UNSAFE = re.compile(r"[^A-Za-z0-9._+=,-]+")
_LONGEST = 100  # characters of a name; a file system takes 255, a person fewer


def as_text(value: Any) -> str:
    """Write a value as a flag of the command line has it."""
    return repr(value) if isinstance(value, tuple | list | dict) else str(value)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """List every field by its dotted name, groups of fields before what they hold."""
    found = {}
    for name, value in values.items():
        found[prefix + name] = value
        if isinstance(value, Mapping):
            found |= flatten(value, f"{prefix}{name}.")
    return found


def overridden(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config in which fields that it has are set."""
    changed = copy.deepcopy(dict(values))
    for field, value in overrides.items():
        *groups, name = field.split(".")
        holder = changed
        for group in groups:
            holder = holder[group]
        holder[name] = value
    return changed


def run_name(overrides: Mapping[str, Any], taken: Collection[str]) -> str:
    """Name a run by what it overrides: "learning_rate=0.0001,seed=0".

    A name is that of a folder. One that is long, or that another run has, ends in a hash.
    """
    labels = short_names(overrides)
    words = [
        f"{labels[field]}={_UNSAFE.sub('-', as_text(value)).strip('-')}"
        for field, value in overrides.items()
    ]
    name = ",".join(words)
    if len(name) <= _LONGEST and name not in taken:
        return name
    digest = hashlib.sha256(json.dumps(overrides, sort_keys=True).encode()).hexdigest()
    return f"{name[: _LONGEST - 9]}-{digest[:8]}"
