"""Runs to be compared as the trials of a sweep that nobody planned."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bert_jax.errors import DataError
from bert_jax.report.files import as_dict, as_text, flatten, read_json
from bert_jax.report.finetuning.run import is_finetuning, seeds_of
from bert_jax.report.run import read_run
from bert_jax.report.sweep.folder import Sweep, is_sweep
from bert_jax.report.sweep.ranking import SEED, Setting, rank
from bert_jax.report.sweep.trial import Trial, read_trial

# In these, runs may differ though their configs do not.
_DATA = "(data)"
_AGAIN = "(repetition)"  # of a run whose config is that of one before, the seed included
_ENDS = "0123456789_-=,./ "  # of what runs of one setting begin with


@dataclass(frozen=True)
class Comparison:
    """All that is known of the runs; settings stand in the order in which runs were named.

    Attributes:
        sweep: the runs; its fields are those in which their configs differ.
        metric: by which they are judged.
        lower_is_better: whether it is one to make small.
        settings: runs that differ in the seed alone, each with a name.
        folders: of each run, by its name.
        same_data: whether all read the same.
    """

    sweep: Sweep
    metric: str
    lower_is_better: bool
    settings: dict[str, Setting]
    folders: dict[str, Path]
    same_data: bool

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields in which settings differ."""
        return tuple(field for field in self.sweep.fields if field != SEED)


def read_comparison(folders: Sequence[Path]) -> Comparison:
    """Read runs; a folder of several seeds, or of a sweep, stands for the runs in it.

    Raises:
        DataError: a folder holds no run, there are fewer than two, or they are of two kinds or
            tasks.
    """
    found = [path for folder in folders for path in _runs_in(folder)]
    paths = list({path.resolve(): path for path in found}.values())
    if len(paths) < 2:
        raise DataError(f"{folders[0]}: one run alone cannot be compared; name another beside it")
    for path in paths:
        read_run(path)  # says what is wrong with a folder that holds no run
    names = dict(zip(paths, _short_names(paths), strict=True))
    task = _common_task(paths)
    facts = _tell_repetitions({path: _facts(path) for path in paths})
    fields = _differing(list(facts.values()))
    trials = []
    for path, of_run in facts.items():
        planned = {"overrides": {name: of_run[name] for name in fields if name in of_run}}
        trials.append(replace(read_trial(path, planned), name=names[path]))
    sweep = Sweep(
        name="Comparison",
        verb="finetune" if task else "pretrain",
        task=task,
        fields=tuple(fields),
        trials=tuple(trials),
        problems=tuple(p for t in trials if t.run for p in _problems(t)),
    )
    ranking = rank(sweep)
    places = {trial.name: place for place, trial in enumerate(trials)}
    settings = sorted(ranking.settings, key=lambda setting: places[setting.trials[0].name])
    return Comparison(
        sweep=sweep,
        metric=ranking.metric,
        lower_is_better=ranking.lower_is_better,
        settings=dict(zip(_labels(settings), settings, strict=True)),
        folders={names[path]: path for path in paths},
        same_data=len({of_run[_DATA] for of_run in facts.values()}) == 1,
    )


def _runs_in(folder: Path) -> list[Path]:
    if is_sweep(folder):
        runs = as_dict(as_dict(read_json(folder / "sweep.json", [])).get("runs"))
        found = [folder / name for name in runs if (folder / name / "run.json").is_file()]
    else:
        found = [path for path in seeds_of(folder) if (path / "run.json").is_file()]
    return [seed for path in found for seed in _runs_in(path)] if found else [folder]


def _common_task(paths: Sequence[Path]) -> str:
    """Return the task that all runs are of, "" of pretraining."""
    tasks: dict[str, Path] = {}
    for path in paths:
        task = ""
        if is_finetuning(path):
            known = [as_dict(read_json(path / name, [])) for name in ("run.json", "config.json")]
            task = next((as_text(of["task"]) for of in known if of.get("task")), "a task")
        tasks.setdefault(task, path)
    if len(tasks) > 1:
        found = "; ".join(f"{path}: {task or 'pretraining'}" for task, path in tasks.items())
        raise DataError(f"runs of different kinds cannot be compared ({found}); name runs of one")
    return next(iter(tasks))


def _facts(folder: Path) -> dict[str, Any]:
    """Return a run's config by dotted names, and which data it read."""
    info = as_dict(read_json(folder / "run.json", []))
    data = info.get("corpus_fingerprint") or info.get("data_fingerprint")
    config = as_dict(read_json(folder / "config.json", []))
    return dict(flatten(config)) | {_DATA: as_text(data)[:12]}


def _tell_repetitions(facts: dict[Path, dict[str, Any]]) -> dict[Path, dict[str, Any]]:
    """Number runs that are equal in everything: they are no seeds of one setting."""
    seen: dict[str, int] = {}
    found = {}
    for path, of_run in facts.items():
        text = json.dumps(of_run, sort_keys=True)
        seen[text] = seen.get(text, -1) + 1
        found[path] = of_run | {_AGAIN: seen[text]}
    return found


def _differing(runs: Sequence[dict[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for of_run in runs for name in of_run)
    return [
        name
        for name in names
        if len({json.dumps(of_run.get(name), sort_keys=True) for of_run in runs}) > 1
    ]


def _problems(trial: Trial) -> list[str]:
    assert trial.run
    return [f"{trial.name}: {problem}" for problem in trial.run.problems]


def _short_names(paths: Sequence[Path]) -> list[str]:
    """Name folders by as many of their last parts as tell them apart; seeds by their run too."""
    parts = [path.resolve().parts for path in paths]
    counts = [2 if path in _runs_in(path.parent) else 1 for path in paths]
    while True:
        names = ["/".join(of[-count:]) for of, count in zip(parts, counts, strict=True)]
        alike = [names.count(name) > 1 for name in names]
        if not any(alike):
            return names
        counts = [count + again for count, again in zip(counts, alike, strict=True)]


def _labels(settings: Sequence[Setting]) -> list[str]:
    """Name settings by what the names of their runs begin with, if that tells them apart."""
    labels = [_label([trial.name for trial in setting.trials]) for setting in settings]
    firsts = [setting.trials[0].name for setting in settings]
    return [
        label if label and labels.count(label) == 1 else first
        for label, first in zip(labels, firsts, strict=True)
    ]


def _label(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    beginning = os.path.commonprefix(names).rstrip(_ENDS)
    return beginning.removesuffix("seed").rstrip(_ENDS)
