"""The folder of a run as plain values; whatever is missing is empty or None."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_jax.errors import DataError
from bert_jax.report.corpus import Corpus, read_corpus
from bert_jax.report.files import (
    as_count,
    as_dict,
    as_list,
    as_number,
    as_text,
    read_json,
    read_lines,
)

_MARKS = ("config.json", "run.json", "metrics.jsonl")  # one of these makes a folder a run


@dataclass(frozen=True)
class Series:
    """One metric of one split, by rising step; values are finite."""

    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def last(self) -> float | None:
        return self.values[-1] if self.values else None


@dataclass(frozen=True)
class Note:
    """What the run told its user."""

    step: int | None
    text: str


@dataclass(frozen=True)
class Guess:
    """A word the model offers for a [MASK]."""

    token: str
    probability: float


@dataclass(frozen=True)
class Mask:
    """A hidden word and what the model offers for it, the most probable first."""

    answer: str
    top: tuple[Guess, ...]


@dataclass(frozen=True)
class Sentence:
    """A sentence with [MASK]s, in order."""

    text: str
    masks: tuple[Mask, ...]


@dataclass(frozen=True)
class Evaluation:
    """What the model offered for the fixed sentences at a step."""

    step: int
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Parameter:
    """One array of the model and how it is trained and laid out."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    decayed: bool
    sharding: str


@dataclass(frozen=True)
class Pairs:
    """How the sentence pairs of a split came out; shares are between 0 and 1."""

    pairs: int | None
    pairs_per_row: float | None
    is_next_share: float | None
    padding_share: float | None
    truncated_share: float | None
    mean_length: float | None


@dataclass(frozen=True)
class Run:
    """All that the report knows of a run."""

    name: str
    config: dict[str, Any]
    command: str
    started: str
    status: str  # "running", "finished", "stopped"; "" where it is not known
    versions: dict[str, Any]
    device: str
    num_devices: int | None
    mesh: dict[str, Any]
    num_parameters: int | None
    flops_per_step: float | None
    metrics: dict[tuple[str, str], Series]  # (split, name)
    last_step: int
    planned_steps: int | None  # where a budget of minutes decides
    last_write: float | None  # of metrics.jsonl, seconds since the epoch
    notes: tuple[Note, ...]
    evaluations: tuple[Evaluation, ...]
    parameters: tuple[Parameter, ...]
    phase_start: int  # first step of the phase it stands in
    pairs: dict[str, Pairs]  # of that phase, by split
    corpus: Corpus | None
    problems: tuple[str, ...]  # what could not be read, in words

    def series(self, split: str, name: str) -> Series:
        """Return a metric of a split, empty if it was never recorded."""
        return self.metrics.get((split, name), Series())

    def setting(self, path: str) -> Any:
        """Return a field of the config by its dotted name, or None."""
        value: Any = self.config
        for name in path.split("."):
            value = as_dict(value).get(name)
        return value


def read_run(folder: Path) -> Run:
    """Read what a run has left in its folder so far.

    Raises:
        DataError: there is no such folder, or no run was ever started in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; wants the --workdir of a run")
    if not any((folder / name).is_file() for name in _MARKS):
        raise DataError(f"{folder}: not a run: it has none of {', '.join(_MARKS)}")
    problems: list[str] = []
    info = as_dict(read_json(folder / "run.json", problems))
    metrics, last_step = _metrics(read_lines(folder / "metrics.jsonl", problems), problems)
    corpus = as_text(info.get("corpus"))
    config = as_dict(read_json(folder / "config.json", problems))
    budget = as_dict(read_json(folder / "budget.json", problems))
    phase, phase_start = _phase(config, budget, last_step)
    pairs = read_json(folder / (f"pairs.{phase}.json" if phase else "pairs.json"), problems)
    return Run(
        name=folder.resolve().name,
        config=config,
        command=as_text(info.get("command")),
        started=as_text(info.get("started")),
        status=as_text(info.get("status")),
        versions=as_dict(info.get("versions")),
        device=as_text(info.get("device")),
        num_devices=as_count(info.get("num_devices")),
        mesh=as_dict(info.get("mesh")),
        num_parameters=as_count(info.get("parameters")),
        flops_per_step=as_number(info.get("flops_per_step")),
        metrics=metrics,
        last_step=last_step,
        planned_steps=as_count(budget.get("steps")),
        last_write=_modified(folder / "metrics.jsonl"),
        notes=tuple(
            Note(as_count(line.get("step")), as_text(line.get("text")))
            for line in read_lines(folder / "notes.jsonl", problems)
            if as_text(line.get("text")).strip()
        ),
        evaluations=_evaluations(read_lines(folder / "samples.jsonl", problems)),
        parameters=tuple(
            _parameter(as_dict(item))
            for item in as_list(read_json(folder / "parameters.json", problems))
        ),
        phase_start=phase_start,
        pairs={
            split: _pairs(values)
            for split, values in as_dict(pairs).items()
            if isinstance(values, dict)
        },
        corpus=read_corpus(folder / corpus, problems) if corpus else None,
        problems=tuple(problems),
    )


def _phase(config: dict[str, Any], budget: dict[str, Any], last_step: int) -> tuple[str, int]:
    """Name the later phase that a run stands in, "" for the first, and give its first step."""
    planned = as_dict(budget.get("phases"))
    for name in reversed(list(planned)[1:]):
        start = as_count(planned[name]) or 0
        if last_step > start:
            return (name if name.isidentifier() else ""), start
    if planned:
        return "", 0
    end = as_count(as_dict(config.get("train")).get("steps")) or 0
    for name, change in reversed(as_dict(config.get("phases")).items()):
        end -= as_count(as_dict(change).get("steps")) or 0
        if last_step > end:
            # A name that is more than a name would lead out of the folder.
            return (name if name.isidentifier() else ""), end
    return "", 0


def _metrics(
    lines: list[dict[str, Any]], problems: list[str]
) -> tuple[dict[tuple[str, str], Series], int]:
    points: dict[tuple[str, str], dict[int, float]] = {}
    last_step, not_finite = 0, 0
    for line in lines:
        step = as_count(line.get("step"))
        if step is None:
            continue
        last_step = max(last_step, step)
        for name, value in line.items():
            if name in ("step", "split") or isinstance(value, bool | str | dict | list | None):
                continue
            number = as_number(value)
            if number is None:
                not_finite += 1
                continue
            # A later line for the same step wins: that is what a resumed run leaves.
            points.setdefault((as_text(line.get("split")), name), {})[step] = number
    if not_finite:
        problems.append(
            f"metrics.jsonl: {not_finite} values are not finite numbers; "
            "the curves leave them out, and the run should be looked at."
        )
    series = {}
    for key, values in points.items():
        steps = tuple(sorted(values))
        series[key] = Series(steps, tuple(values[step] for step in steps))
    return series, last_step


def _evaluations(lines: list[dict[str, Any]]) -> tuple[Evaluation, ...]:
    found: dict[int, Evaluation] = {}
    for line in lines:
        step = as_count(line.get("step"))
        sentences = tuple(_sentence(as_dict(item)) for item in as_list(line.get("sentences")))
        if step is not None and sentences:
            found[step] = Evaluation(step, sentences)
    return tuple(found[step] for step in sorted(found))


def _sentence(item: dict[str, Any]) -> Sentence:
    masks = []
    for mask in map(as_dict, as_list(item.get("masks"))):
        top = [g for g in as_list(mask.get("top")) if isinstance(g, list | tuple) and len(g) == 2]
        guesses = tuple(Guess(as_text(g[0]), as_number(g[1]) or 0.0) for g in top)
        masks.append(Mask(as_text(mask.get("answer")), guesses))
    return Sentence(as_text(item.get("text")), tuple(masks))


def _parameter(item: dict[str, Any]) -> Parameter:
    return Parameter(
        path=as_text(item.get("path")),
        shape=tuple(as_count(size) or 0 for size in as_list(item.get("shape"))),
        dtype=as_text(item.get("dtype")),
        decayed=bool(item.get("decayed")),
        sharding=as_text(item.get("sharding")),
    )


def _pairs(values: dict[str, Any]) -> Pairs:
    return Pairs(
        pairs=as_count(values.get("pairs")),
        pairs_per_row=as_number(values.get("pairs_per_row")),
        is_next_share=as_number(values.get("is_next_share")),
        padding_share=as_number(values.get("padding_share")),
        truncated_share=as_number(values.get("truncated_share")),
        mean_length=as_number(values.get("mean_length")),
    )


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
