"""The figure of weak scaling: tokens a second against devices, between two bounds."""

from collections.abc import Sequence

from bert_jax.report.markup import Markup
from bert_jax.report.plots import STYLE, dress
from bert_jax.report.svg import COLOURS, to_svg


def draw_scaling(
    devices: Sequence[int],
    slow: Sequence[float],
    fast: Sequence[float],
    *,
    key: str,
    description: str,
) -> Markup:
    """Draw tokens a second on so many devices, as a band between two predictions.

    Args:
        devices: at least two numbers, ascending.
        slow: tokens a second if nothing overlaps.
        fast: if everything does.
        key: a name that no other figure of the page has.
        description: for readers who cannot see it.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    perfect = [fast[0] * number / devices[0] for number in devices]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.05))
        axes = figure.add_axes((0.125, 0.115, 0.855, 0.865))
        colour = COLOURS["validation"]
        axes.plot(
            devices, perfect, color=COLOURS["baseline"], linewidth=1.4, dashes=(4, 3), zorder=2
        )
        axes.fill_between(devices, slow, fast, color=colour, alpha=0.18, linewidth=0, zorder=1)
        for line in (slow, fast):
            axes.plot(
                devices, line, color=colour, linewidth=1.6, marker="o", markersize=4, zorder=3
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        dress(axes, "short")
        axes.xaxis.set_major_locator(FixedLocator(list(devices[:: -(-len(devices) // 7)])))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        return to_svg(figure, key, description)
