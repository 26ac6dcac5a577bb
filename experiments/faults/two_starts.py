"""Two starts at once on one folder."""

from experiments.faults import folders
from experiments.faults.processes import Ended
from experiments.faults.reference import Reference, make_reference
from experiments.faults.tries import Campaign, Result, Try


def attempt(reference: Reference, one: Try) -> Result:
    """Start twice, and see who stays."""
    run = one.folder / "run"
    begun = [reference.start(run) for _ in range(2)]
    ended = sorted((process.end() for process in begun), key=lambda e: e.code)
    problems = _problems(ended)
    if not problems:
        different = folders.differences(folders.outcome(run, reference.like), reference.outcome)
        problems += [f"ended otherwise: {', '.join(different)}"] if different else []
    kind = "one ran, the other left with 7" if not problems else "not as asked"
    return Result(kind, not problems, "; ".join(problems))


def _problems(ended: list[Ended]) -> list[str]:
    codes = [one.code for one in ended]
    if codes != [0, 7]:
        return [f"exit codes {codes}: {ended[0].error[-200:]} / {ended[1].error[-200:]}"]
    if not ended[1].is_clear:
        return [f"not one clear line: {ended[1].error[-300:]}"]
    return []


CAMPAIGN = Campaign(
    asked="20; exactly one runs, the other leaves with 7",
    tries=20,
    short=1,
    prepare=make_reference,
    attempt=attempt,
)
