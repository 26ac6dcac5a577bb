"""What each field does to the metric, and how the runs went."""

from collections.abc import Sequence
from typing import Any

from bert_jax.report.files import as_number, as_text
from bert_jax.report.markup import Content, Markup, element
from bert_jax.report.sweep.drawing import Point, draw_overlaid, draw_panel
from bert_jax.report.sweep.folder import Sweep
from bert_jax.report.sweep.metric import Metric
from bert_jax.report.sweep.ranking import SEED, Ranking, value_of
from bert_jax.report.sweep.trial import Trial

_MOST_CURVES = 300
_PANELS = (
    "A dot is a run that has finished; a line, where there is one, joins means. All else between "
    "the runs is in the spread of the dots: a field whose line stays within it has not been "
    "shown to matter."
)
_LEGEND = ("the best setting", "the others")


def panels(sweep: Sweep, ranking: Ranking, metric: Metric) -> Content:
    """Draw the metric against every field that has more than one value."""
    scored = [(t, v) for t in sweep.trials if (v := value_of(t, ranking.metric)) is not None]
    if not scored:
        return None
    low, high = min(v for _, v in scored), max(v for _, v in scored)
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    best = _names_of_best(ranking)
    drawn = []
    for number, field in enumerate(_in_order(sweep)):
        with_field = [(trial, value) for trial, value in scored if field in trial.overrides]
        values = [trial.overrides[field] for trial, _ in with_field]
        words = _words(values)
        if len({as_text(value) for value in values}) < 2:
            continue
        points = [
            Point(_place(trial.overrides[field], words), value, trial.name in best)
            for trial, value in with_field
        ]
        svg = draw_panel(
            points,
            limits=(low - margin, high + margin),
            key=f"panel-{number}",
            description=f"{metric.label} by {field}",
            unit=metric.unit,
            searched=sweep.ranges.get(field),
        )
        caption = "; ".join(f"{place} is {word}" for place, word in enumerate(words, 1))
        drawn.append(_figure(field, svg, f"{caption}." if caption else ""))
    if not drawn:
        return None
    return [element("p", _PANELS, class_="explain"), element("div", *drawn, class_="grid panels")]


def overlaid(sweep: Sweep, ranking: Ranking, metric: Metric) -> Content:
    """Draw the metric, held out, and the training loss of all runs by step."""
    best = _names_of_best(ranking)
    wanted = [("validation", ranking.metric, f"{metric.label}, held out", metric.unit)]
    wanted.append(("train", "loss", "Training loss", "number"))
    drawn = []
    for split, name, title, unit in wanted:
        lines = [
            (series, trial.name in best)
            for trial in _some(sweep.trials, best)
            if len(series := trial.series(split, name)) > 1
        ]
        if lines:
            svg = draw_overlaid(
                lines,
                key=f"curves-{split}",
                description=f"{title} by step, a line for each run",
                unit=unit,
                noisy=split == "train",
            )
            drawn.append(_figure(title, svg, "By step.", code=False))
    return element("div", *drawn, class_="grid panels") if drawn else None


def _some(trials: Sequence[Trial], best: frozenset[str]) -> list[Trial]:
    """Choose runs to draw, the best among them; more would be a blot."""
    return sorted(trials, key=lambda trial: trial.name not in best)[:_MOST_CURVES]


def _in_order(sweep: Sweep) -> list[str]:
    """Put the seed last: it shows by how much the others have to differ."""
    return sorted(sweep.fields, key=lambda field: field == SEED)


def _names_of_best(ranking: Ranking) -> frozenset[str]:
    return frozenset(trial.name for trial in ranking.best.trials) if ranking.best else frozenset()


def _words(values: Sequence[Any]) -> list[str]:
    """List values that are not all numbers as words in order; [] of numbers."""
    if all(as_number(value) is not None for value in values):
        return []
    return sorted({as_text(value) for value in values})


def _place(value: Any, words: Sequence[str]) -> float:
    return float(words.index(as_text(value)) + 1) if words else float(value)


def _figure(title: str, svg: Markup, caption: str, code: bool = True) -> Markup:
    keys = [
        element("span", _LEGEND[0], class_="key validation"),
        element("span", _LEGEND[1], class_="key"),
    ]
    head = element(
        "header",
        element("h3", element("code", title) if code else title),
        element("p", *keys, class_="legend"),
    )
    return element("figure", head, svg, element("figcaption", caption), class_="curve")
