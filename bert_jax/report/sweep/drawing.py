"""Figures of a sweep: a metric against a field, and the curves of many runs over each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bert_jax.report.markup import Markup
from bert_jax.report.numbers import plain
from bert_jax.report.plots import STYLE, dress, smooth, thin
from bert_jax.report.run import Series
from bert_jax.report.svg import COLOURS, to_svg
from bert_jax.report.sweep.folder import SearchedRange

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LEVELS = 12  # beyond them values stand where they are, not side by side
_WIDE = 20.0  # times the smallest value, from where an axis is logarithmic
_CURVE_POINTS = 200


@dataclass(frozen=True)
class Point:
    """A run in a panel.

    Attributes:
        value: of the field: a number, or the place of a word among all.
        metric: what the run came to.
        marked: whether it is of the best setting.
    """

    value: float
    metric: float
    marked: bool


def draw_panel(
    points: Sequence[Point],
    *,
    limits: tuple[float, float],
    key: str,
    description: str,
    unit: str = "number",
    searched: SearchedRange | None = None,
) -> Markup:
    """Draw a metric against a field: a dot for each run, the means of equal values joined.

    Args:
        points: at least one.
        limits: of the vertical axis, the same for all panels of a page.
        key: a name that no other figure of the page has.
        description: for readers who cannot see it.
        unit: how the vertical axis writes numbers: "number" or "percent".
        searched: the range of a field that has one: the axis is that, few values or many.
    """
    import matplotlib
    from matplotlib.figure import Figure

    levels = sorted({point.value for point in points})
    side_by_side = len(levels) <= _MOST_LEVELS and searched is None
    place = {v: float(i) if side_by_side else v for i, v in enumerate(levels)}
    columns = [[p for p in points if p.value == level] for level in levels]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.05))
        axes = figure.add_axes((0.125, 0.115, 0.855, 0.865))
        means = [sum(p.metric for p in column) / len(column) for column in columns]
        if side_by_side and len(levels) > 1:
            axes.plot(
                [place[level] for level in levels],
                means,
                color=COLOURS["train"],
                linewidth=1.6,
                zorder=2,
            )
        for point in sorted(points, key=lambda point: point.marked):
            axes.plot(
                [place[point.value]],
                [point.metric],
                marker="o",
                markersize=8,
                markerfacecolor=COLOURS["validation" if point.marked else "train"],
                markeredgecolor=COLOURS["card"],
                alpha=0.85,
                clip_on=False,
                zorder=4 if point.marked else 3,
            )
        axes.set_ylim(limits)
        dress(axes, unit)
        if side_by_side:
            _dress_levels(axes, levels)
        else:
            _dress_numbers(axes, levels, searched)
        return to_svg(figure, key, description)


def draw_overlaid(
    lines: Sequence[tuple[Series, bool]],
    *,
    key: str,
    description: str,
    unit: str = "number",
    noisy: bool = False,
) -> Markup:
    """Draw the curves of many runs over each other.

    Args:
        lines: each with a point, and whether it stands out.
        key: a name that no other figure of the page has.
        description: for readers who cannot see it.
        unit: how the vertical axis writes numbers: "number" or "percent".
        noisy: whether means are drawn in place of the values.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.05))
        axes = figure.add_axes((0.125, 0.115, 0.855, 0.865))
        for series, marked in sorted(lines, key=lambda line: line[1]):
            shown = thin(smooth(series) if noisy else series, _CURVE_POINTS)
            axes.plot(
                shown.steps,
                shown.values,
                color=COLOURS["validation" if marked else "train"],
                linewidth=2.0 if marked else 1.0,
                alpha=0.9 if marked else 0.6,
                marker="o" if len(shown) <= 5 else "",
                markersize=4.5 if marked else 3.0,
                zorder=4 if marked else 2,
            )
        last = max(series.steps[-1] for series, _ in lines)
        first = min(series.steps[0] for series, _ in lines)
        axes.set_xlim(0 if first < 0.5 * last else first, last if last > first else None)
        dress(axes, unit)
        return to_svg(figure, key, description)


def _dress_levels(axes: "Axes", levels: Sequence[float]) -> None:
    """Name values that stand side by side."""
    axes.set_xlim(-0.5, len(levels) - 0.5)
    axes.set_xticks(range(len(levels)), [plain(level) for level in levels])


def _dress_numbers(axes: "Axes", levels: Sequence[float], searched: SearchedRange | None) -> None:
    """Lay out an axis for values that stand where they are."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = levels[0], levels[-1]
    log = low > 0 and high > _WIDE * low
    if searched:
        low, high = min(low, searched.low), max(high, searched.high)
        log = searched.log and low > 0
        axes.set_xlim(low, high)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    if log and high >= 10 * low:
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if high >= 100 * low else (1, 2, 5)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: plain(x)))
