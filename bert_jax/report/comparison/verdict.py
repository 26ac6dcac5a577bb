"""Whether one setting is better than another, in numbers and in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from bert_jax.errors import DataError
from bert_jax.report.comparison.graded import Graded, read_graded
from bert_jax.report.comparison.runs import Comparison
from bert_jax.report.finetuning.run import predictions_of
from bert_jax.report.sweep.metric import Metric, describe_metric
from bert_jax.report.sweep.ranking import value_of
from bert_jax.tasks.paired import Difference, paired_bootstrap


@dataclass(frozen=True)
class Verdict:
    """What is known of the second setting against the first, in one metric.

    Attributes:
        first: its name.
        second: its name.
        metric: its name; on further splits it begins with the split's.
        primary: whether it is the metric that runs are judged by.
        difference: None where there is none to be had.
        words: the same as a sentence.
    """

    first: str
    second: str
    metric: str
    primary: bool
    difference: Difference | None
    words: str


def judge(comparison: Comparison) -> list[Verdict]:
    """Compare the first setting with each of the others.

    Fine-tuned runs are compared row by row from their predictions, others by their seeds.

    Raises:
        DataError: two runs did not predict the same rows.
    """
    first, *others = comparison.settings
    if not comparison.sweep.task:
        return [_by_seeds(comparison, first, other) for other in others]
    graded = {name: _read(comparison, name) for name in comparison.settings}
    return [v for other in others for v in _by_rows(comparison, graded, first, other)]


Splits = dict[str, list[tuple[str, Graded]]]  # of each split what each run said, with its name


def _read(comparison: Comparison, setting: str) -> Splits:
    found: Splits = {}
    for trial in comparison.settings[setting].trials:
        for split, path in predictions_of(comparison.folders[trial.name]).items():
            problems: list[str] = []
            graded = read_graded(path, comparison.sweep.task, problems)
            if problems:
                raise DataError(f"{path}: {problems[0]} Rows cannot be compared so")
            if graded:
                found.setdefault(split, []).append((trial.name, graded))
    return found


def _by_rows(
    comparison: Comparison, graded: dict[str, Splits], first: str, second: str
) -> list[Verdict]:
    found = []
    ours, theirs = graded[first], graded[second]
    splits = [split for split in ours if split in theirs]
    if not splits:
        words = f"{first} and {second} have no predictions of the same split yet."
        return [Verdict(first, second, comparison.metric, True, None, words)]
    for place, split in enumerate(splits):
        runs = [*ours[split], *theirs[split]]
        _check_same_rows(runs, split)
        rows = len(runs[0][1].rows)
        for name in _metrics(comparison, runs, split if place else ""):
            metric = name.rpartition("/")[2]
            difference = paired_bootstrap(
                [run.scores[metric] for _, run in ours[split]],
                [run.scores[metric] for _, run in theirs[split]],
                rows,
            )
            described = describe_metric(comparison.sweep, name)
            words = in_words(
                first,
                second,
                difference,
                described,
                lower_is_better=False,
                split=split.replace("_", " ") if len(splits) > 1 else "",
            )
            primary = metric == comparison.metric
            found.append(Verdict(first, second, name, primary, difference, words))
    return found


def _metrics(comparison: Comparison, runs: Sequence[tuple[str, Graded]], split: str) -> list[str]:
    """Name the metrics that the runs were scored by and that rows can be scored by."""
    prefix = f"{split}/" if split else ""
    scored = {name for trial in comparison.sweep.trials for name in trial.metrics or {}}
    can = [name for name in runs[0][1].scores if prefix + name in scored]
    can.sort(key=lambda name: name != comparison.metric)
    return [prefix + name for name in can]


def _check_same_rows(runs: Sequence[tuple[str, Graded]], split: str) -> None:
    (name, reference), *others = runs
    for other, graded in others:
        if len(graded.rows) != len(reference.rows):
            what = f"{len(reference.rows):,} rows against {len(graded.rows):,}"
        elif graded.rows != reference.rows:
            pairs = zip(reference.rows, graded.rows, strict=True)
            number = next(i for i, (a, b) in enumerate(pairs, 1) if a != b)
            again = sorted(graded.rows) == sorted(reference.rows)
            what = "the same rows in another order" if again else f"row {number:,} is another"
        else:
            continue
        raise DataError(
            f"{name} and {other} did not predict the same rows of {split}: {what}; fine-tune both "
            "on the same files to compare them"
        )


def _by_seeds(comparison: Comparison, first: str, second: str) -> Verdict:
    """Compare means over seeds by Welch's test; the rows' own losses are not kept."""
    metric, sweep = comparison.metric, comparison.sweep
    values = []
    for name in (first, second):
        trials = comparison.settings[name].trials
        found = [value_of(trial, metric) for trial in trials]
        values.append([value for value in found if value is not None])
    if not all(values):
        words = f"{first} and {second}: one of them has not finished yet."
        return Verdict(first, second, metric, True, None, words)
    described = describe_metric(sweep, metric)
    if min(map(len, values)) < 2:
        one, two = (described.write(fmean(of)) for of in values)
        words = (
            f"{second} reaches {two}, {first} {one} ({described.label}). Without two seeds of "
            "each, nobody can say how much of that is chance."
        )
        return Verdict(first, second, metric, True, None, words)
    from scipy.stats import ttest_ind  # slow to import

    test: Any = ttest_ind(values[1], values[0], equal_var=False)
    low, high = test.confidence_interval(0.95)
    difference = Difference(
        first=fmean(values[0]),
        second=fmean(values[1]),
        low=float(low),
        high=float(high),
        share=float(test.pvalue),
        rows=0,
        seeds=(len(values[0]), len(values[1])),
    )
    lower = comparison.lower_is_better
    words = in_words(first, second, difference, described, lower_is_better=lower)
    return Verdict(first, second, metric, True, difference, words)


def in_words(
    first: str,
    second: str,
    difference: Difference,
    metric: Metric,
    *,
    lower_is_better: bool,
    split: str = "",
) -> str:
    """Say which is better and by how much, or that this cannot be told.

    Args:
        first: its name.
        second: its name.
        difference: second - first.
        metric: what it is a difference of.
        lower_is_better: whether the metric is one to make small.
        split: of the rows, where there are several.
    """
    low, high, value = difference.low, difference.high, difference.value
    seeds = difference.seeds
    better, worse = first, second
    if difference.told_apart and (value > 0) == lower_is_better:
        low, high, value = -high, -low, -value
    elif difference.told_apart:
        better, worse, seeds = second, first, seeds[::-1]
    size = f"{metric.label} {_step(value, metric, '+')}"
    rows = f", the same {difference.rows:,} rows" if difference.rows else ""
    rows += f" of {split}" if split else ""
    means = f", means of {seeds[0]} and {seeds[1]} seeds" if seeds != (1, 1) else ""
    ends = f"95% interval {_end(low, metric)} to {_end(high, metric)}{rows}{means}"
    if difference.told_apart:
        return f"{better} is better than {worse}: {size}, {ends}, p {write_share(difference)}."
    return (
        f"No difference can be told between {first} and {second}: {size} for {second}, {ends}, "
        f"p {write_share(difference)}."
    )


def write_difference(difference: Difference, metric: Metric) -> tuple[str, str]:
    """Write second - first and its interval, with the unit of the first."""
    ends = _end(difference.low, metric), _end(difference.high, metric)
    return _step(difference.value, metric, "+"), " to ".join(ends)


def write_share(difference: Difference) -> str:
    """Write p; of samples none may have turned the order round."""
    return f"{difference.share:.3f}" if difference.share >= 0.001 else "< 0.001"


def _step(value: float, metric: Metric, sign: str) -> str:
    in_points = metric.unit == "percent" or metric.digits == 1
    return _end(value, metric, sign) + (" points" if in_points else "")


def _end(value: float, metric: Metric, sign: str = "") -> str:
    scaled = 100 * value if metric.unit == "percent" else value
    return f"{scaled:{sign}.{metric.digits}f}".replace("-", "\N{MINUS SIGN}")
