"""Curves of several settings over each other, a colour for each."""

from collections.abc import Sequence
from dataclasses import dataclass

from bert_jax.report.markup import Markup
from bert_jax.report.plots import STYLE, dress, smooth, thin
from bert_jax.report.run import Series
from bert_jax.report.svg import COLOURS, to_svg

NUM_COLOURS = 8
_DASHES = ((), (5, 2), (1.5, 1.5))  # of the settings beyond the colours
_CURVE_POINTS = 300


@dataclass(frozen=True)
class SettingLines:
    """The curves of a setting's runs, each with a point.

    Attributes:
        place: of the setting among all, from 0.
        series: of each run.
    """

    place: int
    series: tuple[Series, ...]


def mean_series(series: Sequence[Series]) -> Series:
    """Average several curves over the steps that all of them have."""
    steps = sorted(set.intersection(*(set(one.steps) for one in series)))
    found = [dict(zip(one.steps, one.values, strict=True)) for one in series]
    return Series(tuple(steps), tuple(sum(of[s] for of in found) / len(found) for s in steps))


def draw_settings(
    settings: Sequence[SettingLines],
    *,
    key: str,
    description: str,
    unit: str = "number",
    noisy: bool = False,
) -> Markup:
    """Draw the curves of settings: of several runs their mean, and each of them faintly.

    Args:
        settings: each with a curve.
        key: a name that no other figure of the page has.
        description: for readers who cannot see it.
        unit: how the vertical axis writes numbers: "number", "percent" or "short".
        noisy: whether neighbours are averaged.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.05))
        axes = figure.add_axes((0.125, 0.115, 0.855, 0.865))
        for setting in settings:
            colour = COLOURS[f"setting-{setting.place % NUM_COLOURS}"]
            dashes = _DASHES[setting.place // NUM_COLOURS % len(_DASHES)]
            lines = [(one, 0.8, 0.35) for one in setting.series]
            mean = mean_series(setting.series) if len(lines) > 1 else setting.series[0]
            lines = [*lines, (mean, 1.9, 0.95)] if len(lines) > 1 else [(mean, 1.9, 0.95)]
            for series, width, opacity in lines:
                shown = thin(smooth(series) if noisy else series, _CURVE_POINTS)
                axes.plot(
                    shown.steps,
                    shown.values,
                    color=colour,
                    linewidth=width,
                    alpha=opacity,
                    dashes=dashes or (None, None),
                    marker="o" if len(shown) <= 5 else "",
                    markersize=2.5 * width,
                    clip_on=len(shown) > 5,
                )
        every = [one for setting in settings for one in setting.series]
        last = max(series.steps[-1] for series in every)
        first = min(series.steps[0] for series in every)
        axes.set_xlim(0 if first < 0.5 * last else first - (first == last), last + (first == last))
        dress(axes, unit)
        return to_svg(figure, key, description)
