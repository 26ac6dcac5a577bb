"""The part of the page about minimal pairs: where the last probe was right, by phenomenon."""

from bert_jax.report import numbers
from bert_jax.report.markup import Markup, element, table
from bert_jax.report.run import Run

_PREFIX = "pairs_accuracy/"
_EXPLAIN = (
    "The share of pairs whose right sentence the model finds likelier than the wrong one, by what "
    "tells them apart. The fewer pairs the less sure: of 16, up to 25 points (95%)."
)


def phenomena(run: Run) -> list[Markup] | None:
    """Show the last share of each phenomenon; None if pairs were never asked."""
    rows = [
        (name.removeprefix(_PREFIX).replace("_", " "), numbers.percent(series.last))
        for (split, name), series in run.metrics.items()
        if split == "probe" and name.startswith(_PREFIX)
    ]
    if not rows:
        return None
    return [element("p", _EXPLAIN, class_="explain"), table(None, rows, "numbers")]
