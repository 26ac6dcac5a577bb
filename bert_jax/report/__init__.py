"""A run folder as one page that a person wants to look at."""

import os
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
    temporary = target.with_name(f".report.{os.getpid()}.html")
    try:
        # A lone surrogate, which JSON can hold and UTF-8 cannot, becomes a question mark.
        temporary.write_text(html, encoding="utf-8", errors="replace")
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target
