"""One run of a sweep: what it overrides and what became of it."""

import shlex
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_jax.errors import DataError
from bert_jax.report.files import as_count, as_dict, as_list, as_text, read_json
from bert_jax.report.finetuning.run import FinetuningRun, is_finetuning, read_finetuning_run
from bert_jax.report.run import Run, Series, read_run
from bert_jax.report.summary import total_steps

STOPPED = (128 + signal.SIGTERM, 128 + signal.SIGINT)
_IN_USE = 7  # another process goes on with it
_STATES = ("running", "stopped", "finished")


@dataclass(frozen=True)
class Trial:
    """A run of a sweep, so far.

    Attributes:
        name: its folder's.
        overrides: values by the dotted names of fields.
        command: that runs it.
        state: "waiting", "running", "stopped", "failed" or "finished".
        error: why it failed.
        primary: the metric that it goes by itself; "" where it is not known.
        metrics: held out; final ones of a finished run, else those of the last evaluation.
        run: all that is known of it; None before it has begun.
        total_steps: that it is to take.
        has_page: whether it has a page of its own.
    """

    name: str
    overrides: dict[str, Any]
    command: tuple[str, ...]
    state: str
    error: str = ""
    primary: str = ""
    metrics: dict[str, float] | None = None
    run: Run | None = None
    total_steps: int | None = None
    has_page: bool = False

    def shell_command(self, between: str = " ") -> str:
        """Write the command as a shell takes it, with something between its flags."""
        words = [shlex.quote(word) for word in self.command]
        first = next((i for i, word in enumerate(self.command) if word[:2] == "--"), len(words))
        return between.join([" ".join(words[:first]), *words[first:]])

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        if self.state == "finished":
            return 1.0
        if not self.run or not self.total_steps:
            return 0.0
        return min(1.0, self.run.last_step / self.total_steps)

    def series(self, split: str, name: str) -> Series:
        """Return a metric by step, empty where there is none."""
        return self.run.series(split, name) if self.run else Series()


def read_trial(folder: Path, planned: dict[str, Any]) -> Trial:
    """Read a run's folder, which may not be there yet.

    Args:
        folder: the run's.
        planned: what the sweep's file says of it.
    """
    outcome = as_dict(read_json(folder / "outcome.json", []))
    common = {
        "name": folder.name,
        "overrides": as_dict(planned.get("overrides")),
        "command": tuple(as_text(word) for word in as_list(planned.get("command"))),
        "error": as_text(outcome.get("error")),
        "has_page": (folder / "report.html").is_file(),
    }
    code = as_count(outcome.get("code"))
    finetuning: FinetuningRun | None = None
    try:
        if is_finetuning(folder):
            finetuning = read_finetuning_run(folder)
        run = finetuning.run if finetuning else read_run(folder)
    except DataError:  # it has not begun
        return Trial(**common, state=_state(code, "", False))
    score = finetuning.score if finetuning else None
    last = {name: series.last for (split, name), series in run.metrics.items() if split != "train"}
    return Trial(
        **common,
        state=_state(code, run.status, score is not None),
        primary=finetuning.primary if finetuning else "mlm_loss",
        metrics=score.metrics if score else {k: v for k, v in last.items() if v is not None},
        run=run,
        total_steps=finetuning.total_steps if finetuning else total_steps(run),
    )


def _state(code: int | None, status: str, scored: bool) -> str:
    if scored or status == "finished" or code == 0:
        return "finished"
    if code is not None and code != _IN_USE and code not in STOPPED:
        return "failed"
    if code in STOPPED and status:
        return "stopped"
    return status if status in _STATES else "waiting"
