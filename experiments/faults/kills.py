"""SIGKILL at random moments over preparation, training, saving, evaluation and export."""

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.faults import folders, processes, toy
from experiments.faults.reference import Reference, make_reference
from experiments.faults.tries import Campaign, Result, Try

# One try is one run, killed ten times: nine times on its way, and once more as it is exported.
PLACES = (
    *("preparation", "start", "saving", "evaluation", "training"),
    *("saving", "evaluation", "saving", "training"),
)
# Seconds from the sign that it has begun to the kill, at most.
_DELAYS = {"preparation": 0.3, "start": 4.0, "training": 0.1, "saving": 0.15, "evaluation": 0.1}
_EXPORT_SECONDS = 8.0


@dataclass(frozen=True)
class _Standing:
    """Where a run stood when a process took it up: its last save, its last line."""

    step: int
    logged: int

    @classmethod
    def of(cls, run: Path) -> "_Standing":
        return cls(max(folders.steps(run), default=0), _last(run))


def prepare(work: Path) -> Reference:
    """Make the reference, and its export."""
    reference = make_reference(work)
    exported = reference.run.parent / "exported"
    if not exported.exists():
        command = toy.export_command(reference.run, exported, "huggingface")
        ended = processes.run(command, reference.logs, reference.cache)
        assert ended.code == 0, ended.error
    return reference


def attempt(reference: Reference, one: Try) -> Result:
    """Kill a run again and again; then let it end, and hold it against the reference."""
    run, kills, problems = one.folder / "run", 0, []
    saved: int | None = None
    for place in PLACES:
        standing = _Standing.of(run)
        process = reference.start(run)
        delay = one.draw.uniform(0, _DELAYS[place])
        ended = _kill(process, _sign(place, run, standing), delay)
        kills += ended.code == -signal.SIGKILL
        problems += _problems(place, ended, saved, run)
        saved = max(folders.steps(run), default=0)
    different = reference.finish(run)
    problems += [f"ended otherwise: {different}"] if different else []
    problems += [f"left behind: {name}" for name in folders.leftovers(run)]
    killed, export_problems = _kill_export(reference, one)
    problems += export_problems
    kind = "the same to the bit" if not problems else "not the same"
    return Result(kind, not problems, "; ".join(problems), {"kills": kills + killed})


def _kill(
    process: processes.Process, happened: Callable[[], bool], delay: float
) -> processes.Ended:
    process.wait_until(happened)
    processes.pause(delay)
    process.send(signal.SIGKILL)
    return process.end()


def _sign(place: str, run: Path, standing: _Standing) -> Callable[[], bool]:
    """Give what tells from outside that a run is at a place, and has got further than before."""
    checkpoints = run / "checkpoints"

    def at_evaluation() -> bool:
        logged = _last(run)
        return logged > standing.logged and logged % toy.FIELDS["train.eval_every"] == 0

    signs: dict[str, Callable[[], bool]] = {
        "preparation": lambda: (run / ".corpus.partial").exists() or (run / "corpus").exists(),
        "start": lambda: True,
        "training": lambda: max(folders.steps(run), default=0) > standing.step,
        "saving": lambda: any(checkpoints.glob(".*.partial")),
        "evaluation": at_evaluation,
    }
    return signs[place]


def _problems(place: str, ended: processes.Ended, saved: int | None, run: Path) -> list[str]:
    """Say what a killed process did wrong, or what it left."""
    found = folders.corrupt(run)
    if ended.code not in (0, -signal.SIGKILL):
        found.append(f"exit code {ended.code}: {ended.error[-300:]}")
    begun = re.search(r"; steps (\d+) to \d+ of", ended.out)
    if begun and saved is not None and int(begun[1]) != saved:
        found.append(f"went on from step {begun[1]}, the last durable save was {saved}")
    return [f"{place}: {text}" for text in found]


def _kill_export(reference: Reference, one: Try) -> tuple[int, list[str]]:
    """Kill an export, look at what is there, and export again."""
    target, whole = one.folder / "exported", folders.contents(reference.run.parent / "exported")
    command = toy.export_command(reference.run, target, "huggingface")
    process = processes.Process(command, reference.logs, reference.cache)
    partial = target.with_name(f".{target.name}.{process.number}.partial")
    late = one.draw.random() < 0.7  # most of the time goes to starting
    delay = one.draw.uniform(0, 0.1 if late else _EXPORT_SECONDS)
    ended = _kill(process, partial.exists if late else lambda: True, delay)
    if target.exists() and folders.contents(target) != whole:
        return 1, ["a part of an export under its final name"]
    if not target.exists():
        ended_again = processes.run(command, reference.logs, reference.cache)
        if ended_again.code or folders.contents(target) != whole:
            return 1, [f"the second export is another: {ended_again.error[-300:]}"]
    # What a killed export left under a hidden name is only found by looking.
    left = [name for name in folders.leftovers(one.folder) if "/" not in name]
    return int(ended.code == -signal.SIGKILL), [f"left behind: {name}" for name in left]


def _last(run: Path) -> int:
    """Return the last step of training that was logged."""
    found = folders.lines(run / "metrics.jsonl")
    return max((line["step"] for line in found if line["split"] == "train"), default=0)


CAMPAIGN = Campaign(
    asked="100 kills; final state bit-identical; 0 steps lost beyond the last durable save; "
    "0 corrupt artefacts",
    tries=11,  # a run may end before its last kill
    short=1,
    prepare=prepare,
    attempt=attempt,
)
