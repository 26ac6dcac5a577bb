"""SIGTERM at random moments: the step is finished and saved, and the process goes."""

import json
import signal
import time
from pathlib import Path

from experiments.faults import folders, processes
from experiments.faults.reference import Reference, make_reference
from experiments.faults.toy import STEPS
from experiments.faults.tries import Campaign, Result, Try

_MOST_SECONDS = 5.0  # from the end of the step to the end of the process


def prepare(work: Path) -> Reference:
    """Make a reference that logs every step, so that one can see from outside what is finished."""
    return make_reference(work, {"train.log_every": 1})


def attempt(reference: Reference, one: Try) -> Result:
    """Stop a run somewhere; see what it saved and how soon it went; let it go on to the end."""
    run = one.folder / "run"
    metrics = run / "metrics.jsonl"
    process, step = reference.start(run), one.draw.randrange(STEPS - 1)
    process.wait_until(lambda: _finished(metrics) >= step)
    processes.pause(one.draw.uniform(0, 0.05))
    sent = time.time()
    process.send(signal.SIGTERM)
    ended = process.end()
    gone = time.time()
    if ended.code == 0:
        return Result("had finished before", True)
    logged, saved = _finished(metrics), max(folders.steps(run), default=0)
    seconds = gone - max(sent, metrics.stat().st_mtime if metrics.exists() else sent)
    problems = []
    if ended.code == -signal.SIGTERM and not logged:
        # It came before anything listened: there was nothing to be saved yet.
        different = reference.finish(run)
        return Result("gone before it began", not different, different)
    status = json.loads((run / "run.json").read_text()).get("status")
    if ended.code != 128 + signal.SIGTERM:
        problems.append(f"exit code {ended.code}: {ended.error[-300:]}")
    if saved < logged:
        problems.append(f"step {logged} was finished, {saved} saved")
    if seconds > _MOST_SECONDS:
        problems.append(f"gone after {seconds:.1f} s")
    if status != "stopped":
        problems.append(f"the status is {status!r}")
    different = reference.finish(run)
    problems += [f"continued, it ended otherwise: {different}"] if different else []
    lost = max(0, logged - saved)
    kind = "saved, gone, continued" if not problems else "not as asked"
    return Result(kind, not problems, "; ".join(problems), {"finished steps lost": lost})


def _finished(metrics: Path) -> int:
    return max((line["step"] for line in folders.lines(metrics)), default=0)


CAMPAIGN = Campaign(
    asked="20; 0 finished steps lost; gone within 5 s of the step's end",
    tries=20,
    short=1,
    prepare=prepare,
    attempt=attempt,
)
