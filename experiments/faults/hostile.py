"""Artefacts that mean harm, with a canary: a file that only what they ask for would make."""

import resource
from dataclasses import dataclass
from pathlib import Path

from experiments.faults import artefacts, folders, guard, hostile_folders, hostile_weights
from experiments.faults.tries import Campaign, Result, Try

_MOST_MEGABYTES = 500  # that reading something so small may take


@dataclass(frozen=True)
class _Shared:
    """What is whole, and the names of what is made of it."""

    model: Path
    corpus: Path
    checkpoints: Path

    def __len__(self) -> int:
        return len(NAMES)


NAMES = (*hostile_weights.MAKERS, *hostile_folders.MAKERS)


def prepare(work: Path) -> _Shared:
    """Make the whole ones."""
    return _Shared(
        artefacts.make_model(work / "published", "huggingface"),
        artefacts.make_corpus(work / "corpus"),
        artefacts.make_checkpoints(work / "checkpoints").directory,
    )


def attempt(shared: _Shared, one: Try) -> Result:
    """Make an artefact, read it as a user would, and look around."""
    name, canary = NAMES[one.number], one.folder / "canary"
    outside, inside = one.folder / "outside", one.folder / "inside"
    for folder in (outside, inside):
        folder.mkdir()
    (outside / "victim").write_text("victim\n")
    if name in hostile_weights.MAKERS:
        action = hostile_weights.MAKERS[name](inside, shared.model, canary)
    else:
        make = hostile_folders.MAKERS[name]
        action = make(inside, shared.corpus, shared.checkpoints, canary)
    before, memory = folders.contents(outside), _megabytes()
    came = guard.call(action)
    problems = []
    if canary.exists():
        problems.append("something was executed")
    if folders.contents(outside) != before or len(list(one.folder.iterdir())) > 2:
        problems.append("something outside was changed")
    if _megabytes() - memory > _MOST_MEGABYTES:
        problems.append(f"took {_megabytes() - memory:.0f} MB")
    if not came.is_clear:
        problems.append(f"{came.kind}: {came.text}")
    kind = ", ".join(problems) or ("refused" if came.kind == "refused" else "harmless")
    return Result(kind.split(":")[0], not problems, f"{name}: {kind}")


def _megabytes() -> float:
    """Return the most memory that this process ever took."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


CAMPAIGN = Campaign(
    asked="50; nothing executed, nothing outside the folder written",
    tries=None,
    short=31,
    prepare=prepare,
    attempt=attempt,
)
