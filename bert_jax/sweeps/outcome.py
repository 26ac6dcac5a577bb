"""How the process of a run ended: what the run itself cannot write down when it fails."""

import signal
from pathlib import Path

from bert_jax.report.files import as_count, as_dict, read_json
from bert_jax.report.sweep.trial import STOPPED
from bert_jax.whole import write_json

LOG = "output.log"  # what the run printed
OUTCOME = "outcome.json"
_OURS = range(2, 10)  # exit codes of `bert_jax.errors`; 1 is also that of a crash
_MOST = 500  # characters of an error
_TAIL = 100_000  # bytes of the log that are looked through


def begin(folder: Path) -> None:
    """Make a run's folder and forget how it ended before."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OUTCOME).unlink(missing_ok=True)


def exit_code(returned: int) -> int:
    """Give the code that a shell gives: of a process ended by signal N, 128 + N."""
    return 128 - returned if returned < 0 else returned


def read_code(folder: Path) -> int | None:
    """Return the exit code that was written down, None if there is none."""
    return as_count(as_dict(read_json(folder / OUTCOME, [])).get("code"))


def note_outcome(folder: Path, code: int) -> str:
    """Write down a run's exit code and error; return the error, "" where there is none."""
    error = "" if code == 0 or code in STOPPED else _error(folder / LOG, code)
    write_json(folder / OUTCOME, {"code": code, "error": error})
    return error


def _error(log: Path, code: int) -> str:
    """Find the line that says what went wrong."""
    if code == 128 + signal.SIGKILL:
        return "killed by SIGKILL, perhaps for want of memory"
    text = ""
    if log.exists():
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            text = file.read().decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if code in _OURS and errors:
        return errors[-1].removeprefix("error: ")[:_MOST]
    return lines[-1][:_MOST] if lines else f"exit code {code}, and nothing was printed"
