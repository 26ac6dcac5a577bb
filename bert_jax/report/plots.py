"""Figures as inline SVG that takes its colours and fonts from the page around it.

No text from data is drawn here: matplotlib would lack the glyphs of most of the world's scripts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bert_jax.report.markup import Markup
from bert_jax.report.numbers import plain
from bert_jax.report.run import Series
from bert_jax.report.svg import COLOURS, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_POINTS = 600  # of a line

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the page's font
    "font.size": 11,
    "font.family": "DejaVu Sans",  # matplotlib's own, so that nothing is looked for or warned of
    "text.color": COLOURS["soft"],
    "text.parse_math": False,
    "axes.edgecolor": COLOURS["rule"],
    "axes.linewidth": 1.0,
    "axes.labelcolor": COLOURS["soft"],
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": COLOURS["rule"],
    "ytick.color": COLOURS["rule"],
    "xtick.labelcolor": COLOURS["soft"],
    "ytick.labelcolor": COLOURS["soft"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 0.7,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "axes.unicode_minus": True,
}

_BEST: dict[str, Any] = {  # a ring around a point
    "marker": "o",
    "markersize": 11,
    "markerfacecolor": "none",
    "markeredgecolor": COLOURS["right"],
    "markeredgewidth": 1.8,
    "clip_on": False,
    "zorder": 5,
}


@dataclass(frozen=True)
class Line:
    """A metric to draw, in the colour of its split."""

    split: str  # "train", "validation", "probe"
    series: Series
    noisy: bool = True  # whether a mean is drawn over the values


@dataclass(frozen=True)
class Reference:
    """A level to compare with, its name for the legend, and the step from which it holds."""

    value: float
    label: str
    since: int = 0


def thin(series: Series, limit: int = MAX_POINTS) -> Series:
    """Keep at most `limit` points, among them the lowest and highest of each stretch.

    A single spike among 100,000 steps stays visible, which a mean would hide.
    """
    if len(series) <= limit:
        return series
    middle = range(1, len(series) - 1)
    buckets = (limit - 2) // 2
    kept = {0, len(series) - 1}
    for bucket in range(buckets):
        stretch = middle[bucket * len(middle) // buckets : (bucket + 1) * len(middle) // buckets]
        kept.add(min(stretch, key=series.values.__getitem__))
        kept.add(max(stretch, key=series.values.__getitem__))
    order = sorted(kept)
    return Series(tuple(series.steps[i] for i in order), tuple(series.values[i] for i in order))


def smooth(series: Series, share: float = 0.04) -> Series:
    """Average each point with its neighbours, over `share` of the line."""
    reach = int(len(series) * share / 2)
    if reach < 1:
        return series
    sums = [0.0]
    for value in series.values:
        sums.append(sums[-1] + value)
    means = []
    for i in range(len(series)):
        # The window shrinks evenly at the start, where a lopsided one would cut off the steep
        # descent; at the end the curve is flat, and a calm line matters more.
        near = min(reach, i)
        begin, end = i - near, min(i + near + 1, len(series))
        means.append((sums[end] - sums[begin]) / (end - begin))
    return Series(series.steps, tuple(means))


def draw_curves(
    lines: Sequence[Line],
    *,
    key: str,
    description: str,
    unit: str = "number",
    scale: str = "fit",
    reference: Reference | None = None,
    best: int | None = None,
) -> Markup:
    """Draw metrics over steps.

    Args:
        lines: at least one of them with a point.
        key: a name that no other figure of the page has.
        description: for readers who cannot see it.
        unit: how the vertical axis writes numbers: "number", "percent" or "short".
        scale: "fit" the values, start at "zero", or "log".
        reference: a level to draw across.
        best: the step whose held-out value is marked.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.05))
        axes = figure.add_axes((0.105, 0.115, 0.875, 0.865))
        for line in lines:
            _draw_line(axes, line)
            if line.split == "validation" and best in line.series.steps:
                value = line.series.values[line.series.steps.index(best)]
                axes.plot([best], [value], **_BEST)
        last = max(line.series.steps[-1] for line in lines if line.series)
        first = min(line.series.steps[0] for line in lines if line.series)
        early = first < 0.1 * last or first == last  # one point is seen against the whole run
        axes.set_xlim(min(first, 0) if early else first, last or None)
        if scale == "log":
            axes.set_yscale("log")
        elif scale == "zero":
            top = max(max(line.series.values) for line in lines if line.series)
            top = max(top, reference.value if reference else 0)
            axes.set_ylim(0, 1.12 * top or 1)
        if reference:
            colour = COLOURS["baseline"]
            ends = (max(reference.since, axes.get_xlim()[0]), axes.get_xlim()[1])
            level = (reference.value, reference.value)
            axes.plot(ends, level, color=colour, linewidth=1.4, dashes=(4, 3), zorder=2.5)
        dress(axes, unit)
        return to_svg(figure, key, description)


def draw_histogram(
    at_least: Sequence[float], counts: Sequence[float], *, key: str, description: str
) -> Markup:
    """Draw counts as equally wide bars, each with the least value that it counts at its left."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 2.3))
        axes = figure.add_axes((0.105, 0.14, 0.875, 0.83))
        places = [i + 0.5 for i in range(len(counts))]
        axes.bar(places, counts, width=0.86, color=COLOURS["validation"], linewidth=0, alpha=0.8)
        axes.set_xlim(0, len(counts))
        dress(axes, "short")
        every = max(1, -(-len(counts) // 12))
        axes.xaxis.set_major_locator(FixedLocator(list(range(0, len(counts), every))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _short(at_least[int(x)])))
        return to_svg(figure, key, description)


def _draw_line(axes: "Axes", line: Line) -> None:
    if not line.series:
        return
    colour = COLOURS[line.split]
    raw = thin(line.series)
    if line.split != "train" or not line.noisy or len(line.series) < 60:
        marker = "o" if len(raw) <= 40 else ""
        size = 4.5 if line.split != "train" else 3.0
        axes.plot(
            raw.steps,
            raw.values,
            color=colour,
            linewidth=2.0 if line.split != "train" else 1.5,
            marker=marker,
            markersize=size,
            markeredgecolor=COLOURS["card"],
            markeredgewidth=0.8,
            zorder=4 if line.split != "train" else 3,
        )
        return
    axes.plot(raw.steps, raw.values, color=colour, linewidth=0.7, alpha=0.35, zorder=2)
    mean = thin(smooth(line.series))
    axes.plot(mean.steps, mean.values, color=colour, linewidth=1.8, zorder=3)


def dress(axes: "Axes", unit: str) -> None:
    """Leave of the axes what a reader needs; `unit` is that of the vertical one."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(pad=5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _short(x)))
    if axes.get_yscale() != "log":
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    formats = {"percent": _percent, "short": _short, "number": plain}
    write = formats[unit]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: write(y)))


def _percent(value: float) -> str:
    return f"{100 * value:.4g}%"


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (size > 1e3 and abs(value) >= size):
            return f"{value / size:.4g}{letter}"
    return f"{value:,.6g}" if abs(value) >= 1 or value == 0 else plain(value)
