"""The page of a comparison: its parts in order."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median
from urllib.parse import quote

from bert_jax.report import numbers
from bert_jax.report.comparison.curves import HELD_OUT, curves, key
from bert_jax.report.comparison.drawing import NUM_COLOURS
from bert_jax.report.comparison.runs import Comparison
from bert_jax.report.comparison.verdict import Verdict, write_difference, write_share
from bert_jax.report.files import as_number, as_text
from bert_jax.report.frame import fold, frame, section
from bert_jax.report.markup import Content, Markup, element, table
from bert_jax.report.run import Series
from bert_jax.report.sweep.folder import short_names
from bert_jax.report.sweep.metric import describe_metric
from bert_jax.report.sweep.ranking import Setting, lower_is_better, value_of
from bert_jax.report.sweep.trial import Trial
from bert_jax.whole import whole_file

_LIGHT = ("#14708a", "#b35c1e", "#6a4c9c", "#1f7a4d", "#a83256", "#8a7410", "#3b5bb5", "#5d6468")
_DARK = ("#5cb8d2", "#e2935a", "#b39be0", "#6fce9b", "#ea7fa0", "#d1bd55", "#8ea8f0", "#a6adb1")
_STYLE = (
    f":root {{ {' '.join(f'--setting-{i}: {c};' for i, c in enumerate(_LIGHT))} }}\n"
    "@media screen and (prefers-color-scheme: dark) {\n"
    f"  :root {{ {' '.join(f'--setting-{i}: {c};' for i, c in enumerate(_DARK))} }}\n}}\n"
    + "".join(
        f".key.s{i}::before {{ background: var(--setting-{i}); }}\n" for i in range(NUM_COLOURS)
    )
    + ".verdict { font: 1.1rem/1.55 var(--serif); max-width: 50rem; margin-bottom: .8rem; }\n"
)
_ROWS = (
    "Both answered the same rows, so samples of them are drawn with replacement and each is scored "
    "for both: what makes a row hard cancels out. Of several seeds, those are drawn too; of "
    "fewer than five the interval is too narrow. p is the share of samples in which the order "
    "is turned round, twice. Of twenty such comparisons of equal models one shows a difference."
)
_SEEDS = "Intervals and p are those of Welch’s test over seeds."
_SEVERAL = (
    "Runs that differ in the seed alone are one setting: its figure is their mean, with its 95% "
    "interval by Student’s t."
)
_OTHER_DATA = (
    "The runs did not read the same data: losses, and accuracies on held-out words, of different "
    "text or vocabularies cannot be compared as they stand."
)


def write_comparison(
    comparison: Comparison, verdicts: list[Verdict], target: Path, written: datetime
) -> None:
    """Write the page, which appears whole or not at all."""
    html = render_comparison(comparison, verdicts, target.parent, written)
    with whole_file(target) as file:
        file.write(html.encode(errors="replace"))


def render_comparison(
    comparison: Comparison, verdicts: list[Verdict], at: Path, written: datetime
) -> str:
    """Return the whole page as HTML; links are to be followed from the folder `at`."""
    names = list(comparison.settings)
    title = " against ".join(names) if len(names) == 2 else f"{len(names)} settings compared"
    notes = [*comparison.sweep.problems]
    if not comparison.same_data and not comparison.sweep.task:
        notes.insert(0, _OTHER_DATA)
    items = [element("li", note) for note in notes]
    return frame(
        title,
        header=[element("h1", title), element("p", _lede(comparison), class_="lede")],
        main=[
            element("aside", element("ul", *items), class_="notes") if items else None,
            section("Is one better?", _verdicts(comparison, verdicts)),
            section("What they came to", _figures(comparison)),
            section("How they went", curves(comparison)),
            section("What differs", _differences(comparison)),
            section("Runs", fold(f"All {len(comparison.sweep.trials):,}", _runs(comparison, at))),
        ],
        written=written,
        style=_STYLE,
    )


def _lede(comparison: Comparison) -> str:
    sweep, settings = comparison.sweep, comparison.settings
    kind = f"Fine-tuning on {sweep.task}" if sweep.task else "Pretraining"
    runs = len(sweep.trials)
    several = f"{len(settings)} settings in {runs} runs" if runs > len(settings) else f"{runs} runs"
    fields = list(short_names(comparison.fields).values())
    differ = f" They differ in {', '.join(fields[:8])}" if fields else " They differ in no field"
    more = f" and {len(fields) - 8} more fields" if len(fields) > 8 else ""
    return f"{kind}: {several}.{differ}{more}."


def _verdicts(comparison: Comparison, verdicts: list[Verdict]) -> Content:
    rows: list[list[Content]] = []
    for verdict in verdicts:
        metric = describe_metric(comparison.sweep, verdict.metric)
        if verdict.difference is None:
            continue
        split = verdict.metric.rpartition("/")[0].replace("_", " ")
        difference, ends = write_difference(verdict.difference, metric)
        rows.append(
            [
                f"{metric.label}, {split}" if split else metric.label,
                verdict.first,
                metric.write(verdict.difference.first),
                verdict.second,
                metric.write(verdict.difference.second),
                difference,
                ends,
                write_share(verdict.difference),
            ]
        )
    head = ("", "", "", "", "", "difference", "95% interval", "p")
    return [
        *(element("p", v.words, class_="verdict") for v in verdicts if v.primary),
        *(
            [
                element("p", _ROWS if comparison.sweep.task else _SEEDS, class_="explain"),
                table(head, rows, "numbers"),
            ]
            if rows
            else []
        ),
    ]


def _shown(comparison: Comparison) -> list[str]:
    """Choose the metrics to list: those of scores, or of held-out rows."""
    if not comparison.sweep.task:
        return list(HELD_OUT)
    names = dict.fromkeys(n for t in comparison.sweep.trials for n in t.metrics or {})
    return [n for n in names if not n.rpartition("/")[2].startswith(("f1_", "null_threshold"))]


def _figures(comparison: Comparison) -> Content:
    names = _shown(comparison)
    metrics = [describe_metric(comparison.sweep, name) for name in names]
    rows: list[list[Content]] = []
    for place, (label, setting) in enumerate(comparison.settings.items()):
        cells: list[Content] = []
        for name, metric in zip(names, metrics, strict=True):
            found = [v for t in setting.trials if (v := value_of(t, name)) is not None]
            cells.append(_mean(found, metric.write))
        rows.append([key(place, label), f"{_finished(setting)} of {len(setting.trials)}", *cells])
    several = any(len(setting.trials) > 1 for setting in comparison.settings.values())
    head = ("", "runs finished", *(metric.label for metric in metrics))
    return [
        element("p", _SEVERAL, class_="explain") if several else None,
        table(head, rows, "numbers"),
    ]


def _mean(values: list[float], write: Callable[[float | None], str]) -> Content:
    if not values:
        return "–"
    mean = sum(values) / len(values)
    if len(values) == 1:
        return write(mean)
    low, high = mean_interval(values)
    return [write(mean), element("small", f"{write(low)} to {write(high)}")]


def mean_interval(values: list[float]) -> tuple[float, float]:
    """Return the 95% interval of a mean by Student's t, of two values or more."""
    from scipy.stats import sem, t  # slow to import

    mean = sum(values) / len(values)
    reach = float(t.ppf(0.975, len(values) - 1) * sem(values))
    return mean - reach, mean + reach


def _finished(setting: Setting) -> int:
    return sum(trial.state == "finished" for trial in setting.trials)


def _differences(comparison: Comparison) -> Content:
    if not comparison.fields:
        return None
    settings = comparison.settings.values()
    rows: list[list[Content]] = [
        [element("code", field), *(_value(setting, field) for setting in settings)]
        for field in comparison.fields
    ]
    return table(("", *comparison.settings), rows, "lookup")


def _value(setting: Setting, field: str) -> str:
    if field not in setting.overrides:
        return "–"
    value = setting.overrides[field]
    number = as_number(value)
    if number is not None:
        return numbers.plain(number, 8)
    return "None" if value is None else as_text(value)


def _runs(comparison: Comparison, at: Path) -> Markup:
    metric = describe_metric(comparison.sweep, comparison.metric)
    rows: list[list[Content]] = []
    for label, setting in comparison.settings.items():
        for trial in setting.trials:
            series = trial.series("validation", comparison.metric)
            step, best = _best(series, lower_is_better(comparison.metric))
            speed = trial.series("train", "tokens_per_second").values
            rows.append(
                [
                    _link(comparison, trial, at),
                    label,
                    trial.state,
                    numbers.count(trial.run.last_step if trial.run else None),
                    metric.write(series.last),
                    f"{metric.write(best)} at {step:,}" if step is not None else "–",
                    numbers.count(median(speed)) if speed else "–",
                ]
            )
    head = ("", "setting", "", "steps", f"last {metric.label}", "best", "tokens a second")
    return table(head, rows, "numbers")


def _best(series: Series, lower: bool) -> tuple[int | None, float | None]:
    if not series:
        return None, None
    best = (min if lower else max)(series.values)
    return series.steps[series.values.index(best)], best


def _link(comparison: Comparison, trial: Trial, at: Path) -> Content:
    folder = comparison.folders[trial.name]
    if not trial.has_page:
        return trial.name
    path = os.path.relpath(folder / "report.html", at).replace(os.sep, "/")
    return element("a", trial.name, href=quote(path))
