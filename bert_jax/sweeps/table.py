"""What came of a sweep, as a table: results.csv for programs, a ranking for people."""

import csv
import io
from pathlib import Path

from bert_jax.report.sweep.folder import Sweep
from bert_jax.report.sweep.ranking import Ranking, rank
from bert_jax.sweeps.overrides import as_text
from bert_jax.whole import write_text

RESULTS = "results.csv"
_MOST_ROWS = 10  # of settings printed
_MOST_FAILED = 10


def write_results(sweep: Sweep, path: Path) -> None:
    """Write a row for each run: what it overrides, how it stands, its metrics, its error."""
    metrics = list(dict.fromkeys(name for t in sweep.trials for name in t.metrics or {}))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["run", *sweep.fields, "state", "step", *metrics, "error"])
    for trial in sweep.trials:
        table.writerow(
            [
                trial.name,
                *(as_text(trial.overrides.get(field, "")) for field in sweep.fields),
                trial.state,
                trial.run.last_step if trial.run else "",
                *((trial.metrics or {}).get(name, "") for name in metrics),
                trial.error,
            ]
        )
    write_text(path, text.getvalue())


def describe_results(sweep: Sweep, metric: str) -> str:
    """Say in lines which settings are best, what failed, and how to run the best again."""
    ranking = rank(sweep, metric)
    lines = []
    if ranking.best:
        lines += _table(ranking, sweep)
        lines += _verdict(ranking)
    failed = [trial for trial in sweep.trials if trial.state == "failed"]
    lines += [f"failed: {trial.name}: {trial.error}" for trial in failed[:_MOST_FAILED]]
    if len(failed) > _MOST_FAILED:
        lines.append(f"failed: {len(failed) - _MOST_FAILED} more")
    left = len(sweep.trials) - sweep.count("finished") - len(failed)
    if left:
        lines.append(f"not finished: {left}; the same command continues")
    if ranking.best and ranking.best.best:
        lines += ["the best run's command:", f"  {ranking.best.best.shell_command()}"]
    return "\n".join(lines)


def _table(ranking: Ranking, sweep: Sweep) -> list[str]:
    shown = ranking.settings[:_MOST_ROWS]
    names = {f: n for f, n in sweep.labels.items() if any(f in s.overrides for s in shown)}
    several = any(len(setting.trials) > 1 for setting in ranking.settings)
    head = ["", ranking.metric, *(["std. error", "runs"] if several else []), *names.values()]
    rows = [head]
    for place, setting in enumerate(shown, 1):
        row = [str(place), _number(setting.mean)]
        if several:
            row += [_number(setting.error), f"{len(setting.values)}/{len(setting.trials)}"]
        rows.append([*row, *(as_text(setting.overrides.get(field, "")) for field in names)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    more = len(ranking.settings) - len(shown)
    return [*lines, f"and {more} more settings in {RESULTS}"] if more else lines


def _verdict(ranking: Ranking) -> list[str]:
    """Say how far the order can be trusted."""
    best, others = ranking.settings[0], [s for s in ranking.settings[1:] if s.values]
    if not others:
        return []
    verdicts = [best.told_apart_from(other) for other in others]
    if all(verdict is None for verdict in verdicts):
        return ["one run a setting: the seed alone may make this order; sweep over seed too"]
    level = sum(verdict is False for verdict in verdicts)
    if level:
        settings = "setting is" if level == 1 else "settings are"
        return [f"{level} other {settings} within two standard errors of the best"]
    return []


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
