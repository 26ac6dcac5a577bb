"""A short run continued from each of its steps, each time in a fresh process."""

import shutil
from pathlib import Path

from experiments.faults import folders
from experiments.faults.reference import Reference, make_reference
from experiments.faults.tries import Campaign, Result, Try

# Every step is saved; none of the intervals divides another, so that windows are cut anywhere.
CHANGES = {
    "train.steps": 20,
    "train.log_every": 3,
    "train.eval_every": 7,
    "train.checkpoint_every": 1,
    "train.keep_checkpoints": 100,
}
LAST = CHANGES["train.steps"]


def prepare(work: Path) -> Reference:
    """Make the run whose steps are all there."""
    return make_reference(work, CHANGES)


def interrupted(reference: Reference, step: int, folder: Path) -> Path:
    """Copy the reference as a process would have left it that died right after saving a step."""
    run = Path(shutil.copytree(reference.run, folder / "run"))
    for later in folders.steps(run):
        if later > step:
            shutil.rmtree(run / "checkpoints" / f"{later:08d}")
    return run


def attempt(reference: Reference, one: Try) -> Result:
    """Continue from one step to the end."""
    step = one.number + 1
    different = reference.finish(interrupted(reference, step, one.folder))
    if different:
        return Result("not the same", False, f"from step {step}: {different}")
    return Result("the same to the bit", True)


CAMPAIGN = Campaign(
    asked="resumed at every step: parameters, optimizer, key, input position and metrics all "
    "bit-identical",
    tries=LAST - 1,
    short=1,
    prepare=prepare,
    attempt=attempt,
)
