"""A toy run that nothing happens to: what the disturbed ones are held against."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.faults import folders, processes, toy


@dataclass(frozen=True)
class Reference:
    """An undisturbed run, and what is needed to make others like it.

    Attributes:
        text: what it was prepared from and trained on.
        changes: of its config, by dotted name.
        run: its folder.
        logs: where processes' output goes.
        cache: compiled programs, shared by all.
        like: shapes of its state.
        outcome: how it ended.
    """

    text: Path
    changes: dict[str, Any]
    run: Path
    logs: Path
    cache: Path
    like: Any
    outcome: dict[str, Any]

    def command(self, workdir: Path) -> list[str]:
        """Give the command of a run like it in another folder."""
        return toy.pretrain_command(self.text, workdir, self.changes)

    def start(self, workdir: Path) -> processes.Process:
        """Begin, or continue, a run like it."""
        return processes.Process(self.command(workdir), self.logs, self.cache)

    def finish(self, workdir: Path) -> str:
        """Run to the end; say what is wrong with how it ended, nothing where all is the same."""
        ended = self.start(workdir).end()
        if ended.code != 0:
            return f"exit code {ended.code}: {ended.error[-500:]}"
        return ", ".join(folders.differences(folders.outcome(workdir, self.like), self.outcome))


def make_reference(work: Path, changes: dict[str, Any] | None = None) -> Reference:
    """Run it, unless it was run before, for this campaign or another with the same config."""
    changes = changes or {}
    name = "_".join(["reference", *map(str, changes.values())])
    shared = work.parent / name
    text, run, cache = toy.write_text(shared / "text.txt"), shared / "run", shared / "cache"
    logs = work / "logs"
    status = json.loads((run / "run.json").read_text()) if (run / "run.json").exists() else {}
    if status.get("status") != "finished":
        ended = processes.run(toy.pretrain_command(text, run, changes), logs, cache)
        assert ended.code == 0, ended.error
    like = toy.assemble(run / "corpus", changes).abstract_state
    return Reference(text, changes, run, logs, cache, like, folders.outcome(run, like))
