"""A folder, of a run or a sweep, as one page that a person wants to look at."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from bert_jax.errors import DataError
from bert_jax.report.finetuning.run import is_finetuning, read_finetuning_run, seeds_of
from bert_jax.report.pretraining.page import render
from bert_jax.report.run import read_run
from bert_jax.report.sweep.folder import is_sweep
from bert_jax.whole import whole_file

__all__ = ["write_report"]


def write_report(workdir: Path) -> Path:
    """Write `workdir/report.html` from what was left there so far; return its path.

    A run may be going on, killed or finished, and any of its files may be missing. The page
    appears whole or not at all. With several seeds each of them gets its page too.

    Raises:
        DataError: `workdir` is the folder of neither a run nor a sweep.
    """
    if is_sweep(Path(workdir)):
        from bert_jax.report.sweep.page import write_page

        return write_page(Path(workdir))
    html = _page(Path(workdir), datetime.now().astimezone())
    target = Path(workdir) / "report.html"
    with whole_file(target) as file:
        # A lone surrogate, which JSON can hold and UTF-8 cannot, becomes a question mark.
        file.write(html.encode(errors="replace"))
    return target


def _page(folder: Path, written: datetime) -> str:
    if not is_finetuning(folder):
        return render(read_run(folder), written)
    # With these comes NumPy, through the rules of tasks.
    from bert_jax.report.finetuning.page import render as render_finetuning
    from bert_jax.report.finetuning.seeds import read_seeds, render_seeds

    seeds = seeds_of(folder)
    if not seeds:
        return render_finetuning(read_finetuning_run(folder), written)
    for seed in seeds:
        # A seed that has not begun is no run yet.
        with suppress(DataError):
            write_report(seed)
    return render_seeds(read_seeds(folder), written)
