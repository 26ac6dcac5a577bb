"""What a sweep is to run, kept in its folder so that it stays one sweep."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bert_jax.errors import ConfigError
from bert_jax.report.sweep.folder import PLAN
from bert_jax.sweeps.overrides import as_text, flatten, run_name
from bert_jax.whole import write_json

_SHOWN = 5  # differences in a message


@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep; `words` are its command behind "python"."""

    name: str
    folder: Path
    words: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a command asks for.

    Attributes:
        verb: the entry that each run is of: "pretrain" or "finetune".
        config: the file, behind a colon what it takes.
        common: what all runs override.
        values: the config with that.
        overrides: what each run overrides besides.
        space: of a search, what each field is chosen from; see `Space.as_json`.
    """

    verb: str
    config: str
    common: Mapping[str, Any]
    values: Mapping[str, Any]
    overrides: tuple[Mapping[str, Any], ...]
    space: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> list[str]:
        """The fields in which the runs differ."""
        return list(dict.fromkeys(name for run in (self.space, *self.overrides) for name in run))

    def words(self, overrides: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
        """Write the command of a run behind "python"."""
        fields = {**self.common, **overrides}
        return (
            *("-m", f"bert_jax.{self.verb}", f"--config={self.config}"),
            *(f"--config.{field}={as_text(value)}" for field, value in fields.items()),
            f"--workdir={folder}",
        )


def keep_plan(plan: Plan, folder: Path) -> list[PlannedRun]:
    """Store what a sweep runs, or add to what it ran before; return the runs asked for.

    More values of the same fields make more runs of the same sweep. Anything else is another.

    Raises:
        ConfigError: a run is asked for twice, or the folder holds something else.
    """
    before = _read(folder)
    if before is not None:
        _check_same(plan, before, folder)
    runs = dict(before["runs"]) if before else {}
    names = {_key(run["overrides"]): name for name, run in runs.items()}
    asked = []
    for overrides in plan.overrides:
        name = names.setdefault(_key(overrides), run_name(overrides, runs))
        if any(run.name == name for run in asked):
            words = " ".join(f"{field}={as_text(value)}" for field, value in overrides.items())
            raise ConfigError(f"the sweep has the run {words} twice")
        words = plan.words(overrides, folder / name)
        runs[name] = {"overrides": dict(overrides), "command": ["python", *words]}
        asked.append(PlannedRun(name, folder / name, words))
    kept = {
        "verb": plan.verb,
        "config": plan.config,
        "fields": plan.fields,
        "values": plan.values,
        "space": {**(before["space"] if before else {}), **plan.space},
        "runs": runs,
    }
    write_json(folder / PLAN, kept)
    return asked


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / PLAN
    if not path.exists():
        if any((folder / name).exists() for name in ("run.json", "config.json")):
            raise ConfigError(f"--workdir={folder}: holds a run, not a sweep; choose another")
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        runs = {
            name: {**run, "overrides": dict(run["overrides"])}
            for name, run in found["runs"].items()
        }
        return {
            "verb": found["verb"],
            "fields": list(found["fields"]),
            "values": dict(found["values"]),
            "space": dict(found.get("space", {})),
            "runs": runs,
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path}: damaged ({error}); choose another --workdir, or remove it: runs that are "
            "finished are found again"
        ) from error


def _check_same(plan: Plan, before: Mapping[str, Any], folder: Path) -> None:
    differences = []
    if plan.verb != before["verb"]:
        differences.append(f"--verb: was {before['verb']}, now {plan.verb}")
    if set(plan.fields) != set(before["fields"]):
        was, now = (" and ".join(map(str, fields)) for fields in (before["fields"], plan.fields))
        differences.append(f"its runs differed in {was}, now in {now}")
    differences += _differences(before["values"], plan.values)
    if differences:
        more = len(differences) - _SHOWN
        text = "; ".join(differences[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise ConfigError(
            f"--workdir={folder}: holds another sweep ({text}); more values of the same fields "
            "can be added to it, for anything else choose another --workdir"
        )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[str]:
    was, values = flatten(before), flatten(now)
    for name in sorted(was.keys() | values.keys()):
        old, new = was.get(name), values.get(name)
        if not isinstance(old, Mapping) and not isinstance(new, Mapping) and _key(old) != _key(new):
            yield f"{name}: was {old!r}, now {new!r}"


def _key(value: Any) -> str:
    """Write a value so that what JSON cannot tell apart, a tuple and a list, is the same."""
    return json.dumps(value, sort_keys=True)
