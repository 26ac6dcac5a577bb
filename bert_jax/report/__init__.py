"""A run folder as one page that a person wants to look at."""

import os
import tempfile
from datetime import datetime
from pathlib import Path

from bert_jax.report.page import render
from bert_jax.report.run import read_run

__all__ = ["write_report"]


def write_report(workdir: Path) -> Path:
    """Write `workdir/report.html` from what the run has left there so far; return its path.

    The run may be going on, killed or finished, and any of its files may be missing. The page
    appears whole or not at all.

    Raises:
        DataError: `workdir` is not the folder of a run.
    """
    run = read_run(Path(workdir))
    html = render(run, datetime.now().astimezone())
    target = Path(workdir) / "report.html"
    handle, name = tempfile.mkstemp(dir=workdir, prefix=".report-", suffix=".html")
    temporary = Path(name)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(html)
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
