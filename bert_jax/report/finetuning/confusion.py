"""What is taken for what: as a grid for a few classes, as a list for many."""

from collections import Counter
from collections.abc import Mapping, Sequence

from bert_jax.report import numbers
from bert_jax.report.markup import Content, Markup, element, join, table

MAX_CLASSES = 12  # of a grid
_MAX_PAIRS = 20
_MAX_NAME = 60  # characters

Counts = Mapping[tuple[str, str], int]  # by (label, prediction)


def confusion(labels: Sequence[str], counts: Counts) -> Content:
    """Show how often each label met each prediction.

    Args:
        labels: every label and prediction that occurs, in their order.
        counts: by label and prediction.
    """
    return _grid(labels, counts) if len(labels) <= MAX_CLASSES else _pairs(counts)


def short_name(label: str) -> str:
    """Cut a class's name so that it fits into a table."""
    return label if len(label) <= _MAX_NAME else f"{label[:_MAX_NAME]}…"


def _grid(labels: Sequence[str], counts: Counts) -> Content:
    head = element(
        "thead",
        element("tr", element("td"), element("th", "it said", colspan=len(labels))),
        element(
            "tr", element("th", "the label is"), *(element("th", short_name(x)) for x in labels)
        ),
    )
    totals = Counter[str]()
    for (label, _), count in counts.items():
        totals[label] += count
    rows = [
        element(
            "tr",
            element("th", short_name(label)),
            *(_cell(label, said, counts.get((label, said), 0), totals[label]) for said in labels),
        )
        for label in labels
    ]
    text = (
        "Each row holds the examples of one label; the shares in it add up to 100%. What is on the "
        "green diagonal is right."
    )
    grid = element("table", head, element("tbody", *rows), class_="confusion")
    return [element("p", text, class_="explain"), element("div", grid, class_="scroll")]


def _cell(label: str, said: str, count: int, total: int) -> Markup:
    share = count / total if total else 0.0
    return element(
        "td",
        f"{count:,}",
        element("small", numbers.percent(share)) if count else None,
        class_="right" if label == said else None,
        style=f"--s:{60 * share:.0f}%",
        title=f"{short_name(label)} said to be {short_name(said)}: {count:,} of {total:,}",
    )


def _pairs(counts: Counts) -> Content:
    totals = Counter[str]()
    for (label, _), count in counts.items():
        totals[label] += count
    wrong = {pair: count for pair, count in counts.items() if pair[0] != pair[1]}
    worst = sorted(wrong, key=lambda pair: (-wrong[pair], pair))[:_MAX_PAIRS]
    if not worst:
        return element("p", "Nothing was taken for anything else.", class_="explain")
    rows: list[list[Content]] = [
        [
            short_name(label),
            short_name(said),
            f"{wrong[label, said]:,}",
            numbers.percent(wrong[label, said] / totals[label]),
        ]
        for label, said in worst
    ]
    text = f"There are too many classes for a grid; these {len(rows)} mistakes are the commonest."
    head = ("the label is", "it said", "how often", "of this label")
    return join(element("p", text, class_="explain"), table(head, rows, "numbers"))
