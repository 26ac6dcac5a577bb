"""The parts of the page about probes: how the last one went, by what was asked."""

from bert_jax.report import numbers
from bert_jax.report.markup import Markup, element, table
from bert_jax.report.run import Run

_PAIRS = (
    "The share of pairs whose right sentence the model finds likelier than the wrong one, by what "
    "tells them apart. The fewer pairs the less sure: of 16, up to 25 points (95%)."
)
_TASKS = (
    "The share of sentences that a linear classifier gives the right label, of a task at a time, "
    "beside what always giving its commonest label gets. It is fitted to nine tenths of the "
    "sentences and asked about the others, in turn. Of 96 sentences a share is unsure by up to 10 "
    "points (95%)."
)


def phenomena(run: Run) -> list[Markup] | None:
    """Show the last share of each phenomenon; None if pairs were never asked."""
    return _part(run, _PAIRS, None, "pairs_accuracy")


def tasks(run: Run) -> list[Markup] | None:
    """Show the last share of each task of the linear probe; None if there was none."""
    head = ("task", "right", "commonest label")
    return _part(run, _TASKS, head, "linear_accuracy", "linear_majority")


def _part(
    run: Run, explain: str, head: tuple[str, ...] | None, *metrics: str
) -> list[Markup] | None:
    """Make a table with a row for each NAME that the first metric has as `metric/NAME`."""
    first = f"{metrics[0]}/"
    names = [
        name.removeprefix(first)
        for split, name in run.metrics
        if split == "probe" and name.startswith(first)
    ]
    if not names:
        return None
    rows = [
        (
            name.replace("_", " "),
            *(numbers.percent(run.series("probe", f"{metric}/{name}").last) for metric in metrics),
        )
        for name in names
    ]
    return [element("p", explain, class_="explain"), table(head, rows, "numbers")]
