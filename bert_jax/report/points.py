"""Figures of points, which take their colours and fonts from the page around them."""

from collections.abc import Sequence

from bert_jax.report.markup import Markup
from bert_jax.report.plots import STYLE, dress
from bert_jax.report.svg import COLOURS, to_svg


def draw_points(
    points: Sequence[tuple[float, float]],
    *,
    key: str,
    description: str,
    labels: tuple[str, str],
    unit: str = "number",
    sizes: Sequence[float] | None = None,
    limits: tuple[float, float] | None = None,
) -> Markup:
    """Draw points around the line on which both values are the same.

    Args:
        points: at least one.
        key: a name that no other figure of the page has.
        description: for readers who cannot see it.
        labels: of the horizontal and the vertical axis.
        unit: how both axes write numbers: "number" or "percent".
        sizes: shares of the largest dot's area; None draws small dots.
        limits: of both axes; None fits them.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    values = [value for point in points for value in point]
    low, high = limits or (min(values), max(values))
    margin = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.9))
        axes = figure.add_axes((0.125, 0.135, 0.855, 0.845))
        ends = (low - margin, high + margin)
        axes.plot(ends, ends, color=COLOURS["baseline"], linewidth=1.4, dashes=(4, 3), zorder=1)
        axes.scatter(
            [x for x, _ in points],
            [y for _, y in points],
            s=14 if sizes is None else [20 + 380 * size for size in sizes],
            color=COLOURS["validation"],
            alpha=0.45 if sizes is None else 0.8,
            linewidths=0,
            zorder=3,
        )
        axes.set_xlim(ends)
        axes.set_ylim(ends)
        dress(axes, unit)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(axes.yaxis.get_major_formatter())
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        return to_svg(figure, key, description)


def draw_repeats(
    values: Sequence[float],
    *,
    mean: float,
    error: float | None,
    key: str,
    description: str,
    unit: str = "number",
) -> Markup:
    """Draw one value for each repetition, their mean as a line and its standard error as a band.

    Args:
        values: at least one, in the order of the repetitions.
        mean: of the values.
        error: the standard error of the mean; None where it is not known.
        key: a name that no other figure of the page has.
        description: for readers who cannot see it.
        unit: how the vertical axis writes numbers: "number" or "percent".
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 2.6))
        axes = figure.add_axes((0.125, 0.05, 0.855, 0.92))
        if error:
            axes.axhspan(mean - error, mean + error, color=COLOURS["validation"], alpha=0.15, lw=0)
        axes.axhline(mean, color=COLOURS["validation"], linewidth=1.4)
        axes.scatter(range(len(values)), values, s=60, color=COLOURS["validation"], zorder=3)
        axes.set_xlim(-0.6, len(values) - 0.4)
        dress(axes, unit)
        axes.xaxis.set_visible(False)
        return to_svg(figure, key, description)
