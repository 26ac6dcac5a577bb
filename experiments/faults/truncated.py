"""Every file in turn: empty, half, a byte too short, gone."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_jax.data.shards import TIMING, open_corpus
from bert_jax.runs.folder import RunFolder
from experiments.faults import artefacts, damage, guard
from experiments.faults.flipped_bits import judge_checkpoints, judge_corpus
from experiments.faults.tries import Campaign, Result, Try

_GONE = -1


@dataclass(frozen=True)
class _Case:
    """A file of an artefact, and what becomes of it.

    Attributes:
        kind: a key of `_READERS`.
        artefact: the folder.
        name: the file's path in it.
        size: bytes that are left; `_GONE`: not even the file.
        whole: what reading the whole artefact gives.
    """

    kind: str
    artefact: Path
    name: str
    size: int
    whole: Any = None


def prepare(work: Path) -> list[_Case]:
    """Make the artefacts, and a case for each way to damage each file."""
    folders = {
        "checkpoints": artefacts.make_checkpoints(work / "checkpoints").directory,
        "corpus": artefacts.make_corpus(work / "corpus"),
        "own model": artefacts.make_model(work / "own", "own"),
        "Hugging Face model": artefacts.make_model(work / "published", "huggingface"),
        "run": _make_run(work / "run"),
    }
    cases = []
    for kind, folder in folders.items():
        whole = _READERS[kind](folder) if kind in _READERS else None
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or path.name == TIMING:  # which is printed once, and never used
                continue
            name = str(path.relative_to(folder))
            if kind == "checkpoints" and not name.startswith(f"{artefacts.NEWER:08d}"):
                continue
            size = path.stat().st_size
            for left in sorted({0, size // 2, max(size - 1, 0)} - {size}) + [_GONE]:
                cases.append(_Case(kind, folder, name, left, whole))
    return cases


def attempt(cases: list[_Case], one: Try) -> Result:
    """Damage one file of a copy and read it."""
    case = cases[one.number]
    folder = Path(shutil.copytree(case.artefact, one.folder / "copy"))
    if case.size == _GONE:
        (folder / case.name).unlink()
    else:
        damage.cut(folder / case.name, case.size)
    what = f"{case.name} {'gone' if case.size == _GONE else f'cut to {case.size} bytes'}"
    if case.kind == "checkpoints":
        return judge_checkpoints(folder, what)
    if case.kind == "corpus":
        return judge_corpus(guard.call(lambda: open_corpus(folder)), what)
    came = guard.call(lambda: _READERS[case.kind](folder))
    if came.kind == "fine":
        # A last newline, or a file that says again what another one says.
        kind = "reads the same" if came.value == case.whole else "used in silence"
        return Result(f"{case.kind}: {kind}", kind == "reads the same", what)
    return Result(f"{case.kind}: {came.kind}", came.kind == "refused", f"{what}: {came.text}")


def _make_run(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    run = RunFolder(folder)
    run.keep({"seed": 0, "train": {"steps": 5}})
    run.set_status("stopped")
    return folder


def _read_run(folder: Path) -> Any:
    """Read what a run keeps of itself, as continuing it does; gone is as good as not begun."""
    run = RunFolder(folder)
    said = run.read()
    if said:
        run.keep({"seed": 0, "train": {"steps": 5}})
    return "a run's"


_READERS: dict[str, Callable[[Path], Any]] = {
    "own model": artefacts.read_all,
    "Hugging Face model": artefacts.read_all,
    "run": _read_run,
}

CAMPAIGN = Campaign(
    asked="every file truncated or deleted in turn: all noticed; the previous checkpoint used",
    tries=None,
    short=16,
    prepare=prepare,
    attempt=attempt,
)
