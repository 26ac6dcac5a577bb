"""The page of a sweep: its parts in order."""

from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from bert_jax.report.files import as_number, as_text
from bert_jax.report.frame import fold, frame, section
from bert_jax.report.markup import Content, Markup, element, table
from bert_jax.report.numbers import plain
from bert_jax.report.sweep.folder import Sweep, read_sweep
from bert_jax.report.sweep.metric import Metric, describe_metric
from bert_jax.report.sweep.panels import overlaid, panels
from bert_jax.report.sweep.ranking import Ranking, Setting, rank
from bert_jax.report.sweep.trial import Trial
from bert_jax.report.tile import tile
from bert_jax.whole import whole_file

PAGE = "report.html"
_STYLE = """
.panels { grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); }
"""
_SEEDS = (
    "Runs that differ in the seed alone are one setting. A mean stands with its standard error; "
    "two settings that are less than two of them apart have not been told apart."
)
_NO_SEEDS = (
    "Each setting has been run once. The seed alone moves a score, of fine-tuning on a small task "
    "by more than most settings do: sweep over seed too before trusting this order."
)


def write_page(folder: Path, metric: str = "") -> Path:
    """Write a sweep's page from what it has left so far; return its path.

    Args:
        folder: the sweep's.
        metric: to rank by; "" is the runs' own.

    Raises:
        DataError: no sweep was ever started there.
    """
    html = render_sweep(read_sweep(folder), metric, datetime.now().astimezone())
    with whole_file(folder / PAGE) as file:
        file.write(html.encode(errors="replace"))
    return folder / PAGE


def render_sweep(sweep: Sweep, metric_name: str, written: datetime) -> str:
    """Return the whole page as HTML."""
    ranking = rank(sweep, metric_name)
    metric = describe_metric(sweep, ranking.metric)
    problems = [element("li", problem) for problem in sweep.problems]
    problems += [
        element("li", element("b", f"{trial.name} failed. "), trial.error)
        for trial in sweep.trials
        if trial.state == "failed"
    ]
    return frame(
        sweep.name,
        header=[
            element("h1", sweep.name, " ", _pill(sweep)),
            element("p", _lede(sweep, ranking, metric), class_="lede"),
        ],
        main=[
            element("aside", element("ul", *problems), class_="notes") if problems else None,
            _tiles(sweep, ranking, metric),
            section("What each field does", panels(sweep, ranking, metric)),
            section("How the runs went", overlaid(sweep, ranking, metric)),
            section("Settings", _settings(sweep, ranking, metric)),
            section("The best, to run again", _command(ranking)),
            section("Runs", fold(f"All {len(sweep.trials):,} runs", _runs(sweep, ranking, metric))),
        ],
        written=written,
        style=_STYLE,
    )


def _pill(sweep: Sweep) -> Markup:
    finished, total = sweep.count("finished"), len(sweep.trials)
    whole = finished == total
    words = "finished" if whole else f"{finished} of {total} runs finished"
    return element("span", words, class_=f"pill {'finished' if whole else 'other'}")


def _lede(sweep: Sweep, ranking: Ranking, metric: Metric) -> str:
    kind = {"finetune": "fine-tuning", "pretrain": "pretraining"}.get(sweep.verb, "")
    of_task = f" on {sweep.task}" if sweep.task else ""
    runs = "run" if len(sweep.trials) == 1 else "runs"
    fields = _listed([sweep.labels[field] for field in sweep.varied])
    text = f"{len(sweep.trials):,} {kind} {runs}{of_task} that differ in {fields}."
    best = ranking.best
    if not best:
        return f"{text} None has finished yet."
    what = _setting_words(best, sweep)
    if best.error is None:
        return f"{text} The best, {what}, reaches {metric.write(best.mean)} ({metric.label})."
    return (
        f"{text} The best setting, {what}, reaches {metric.write(best.mean)} "
        f"{metric.write_error(best.error)} ({metric.label}, mean of {len(best.values)} seeds)."
    )


def _tiles(sweep: Sweep, ranking: Ranking, metric: Metric) -> Markup | None:
    best = ranking.best
    found = []
    if best:
        several = len(best.values) > 1
        text = (
            f"{metric.write_error(best.error)}, {len(best.values)} seeds" if several else "one run"
        )
        found.append(tile(f"Best {metric.label}", metric.write(best.mean), text))
        others = [setting for setting in ranking.settings[1:] if setting.values]
        if others:
            last = others[-1]
            found.append(
                tile("The worst setting", metric.write(last.mean), _setting_words(last, sweep))
            )
        level = sum(best.told_apart_from(other) is False for other in others)
        if any(best.told_apart_from(other) is not None for other in others):
            text = "within two standard errors of the best"
            found.append(tile("Others as good", f"{level} of {len(others)}", text))
    done, failed = sweep.count("finished"), sweep.count("failed")
    text = f"of {len(sweep.trials):,}" + (f"; {failed} failed" if failed else "")
    share = done / len(sweep.trials) if sweep.trials else None
    found.append(tile("Runs finished", f"{done:,}", text, share))
    return element("div", *found, class_="tiles")


def _command(ranking: Ranking) -> Content:
    best = ranking.best
    if not best or not best.best:
        return None
    several = "the best of its seeds; its folder holds the model: " if len(best.values) > 1 else ""
    text = f"This is {several}{best.best.name}. A run elsewhere wants another --workdir."
    return [
        element("pre", best.best.shell_command(" \\\n    ")),
        element("p", text, class_="explain"),
    ]


def _settings(sweep: Sweep, ranking: Ranking, metric: Metric) -> Content:
    fields = [f for f in sweep.varied if any(f in s.overrides for s in ranking.settings)]
    several = any(len(setting.trials) > 1 for setting in ranking.settings)
    if not fields:
        return None
    rows: list[list[Content]] = []
    for place, setting in enumerate(ranking.settings, 1):
        row: list[Content] = [str(place) if setting.values else "–", metric.write(setting.mean)]
        if several:
            row += [metric.write_error(setting.error) or "–"]
            row += [f"{len(setting.values)} of {len(setting.trials)}"]
        rows.append([*row, *(_cell(setting.overrides.get(field, "")) for field in fields)])
    head: list[Content] = ["", metric.label, *(["std. error", "runs"] if several else [])]
    return [
        element("p", _SEEDS if several else _NO_SEEDS, class_="explain"),
        table(
            [*head, *(element("code", sweep.labels[field]) for field in fields)], rows, "numbers"
        ),
    ]


def _runs(sweep: Sweep, ranking: Ranking, metric: Metric) -> Markup:
    order = [trial for setting in ranking.settings for trial in _by_value(setting, ranking)]
    rows: list[list[Content]] = [
        [
            _link(trial),
            trial.state,
            metric.write((trial.metrics or {}).get(ranking.metric)),
            *(_cell(trial.overrides.get(field, "")) for field in sweep.fields),
        ]
        for trial in order
    ]
    head: list[Content] = ["run", "", metric.label]
    return table(
        [*head, *(element("code", name) for name in sweep.labels.values())], rows, "numbers"
    )


def _by_value(setting: Setting, ranking: Ranking) -> list[Trial]:
    worst = float("inf")
    sign = 1 if ranking.lower_is_better else -1

    def key(trial: Trial) -> float:
        value = (trial.metrics or {}).get(ranking.metric)
        return worst if value is None else sign * value

    return sorted(setting.trials, key=key)


def _link(trial: Trial) -> Content:
    if not trial.has_page:
        return trial.name
    return element("a", trial.name, href=f"{quote(trial.name)}/{PAGE}")


def _cell(value: object) -> str:
    number = as_number(value)
    return as_text(value) if number is None else plain(number)


def _setting_words(setting: Setting, sweep: Sweep) -> str:
    words = [
        f"{sweep.labels[field]} {_cell(setting.overrides[field])}"
        for field in sweep.varied
        if field in setting.overrides
    ]
    return _listed(words) if words else "no field but the seed"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
