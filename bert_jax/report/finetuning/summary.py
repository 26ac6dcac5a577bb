"""The top of the page of a fine-tuning run: what was trained, and how good it is."""

from pathlib import PurePath

from bert_jax.report import numbers
from bert_jax.report.files import as_number, as_text
from bert_jax.report.finetuning.measures import Baseline
from bert_jax.report.finetuning.run import FinetuningRun
from bert_jax.report.markup import Content, Markup, element, table
from bert_jax.report.summary import status_pill
from bert_jax.report.tile import tile

_MAX_TILES = 5
_INTERVAL = (
    "The interval in brackets is where the figure would fall 19 times in 20 had other examples of "
    "the same kind been drawn."
)


def pill(finetuning: FinetuningRun) -> Markup:
    """Say in a word how the run is."""
    if known := status_pill(finetuning.run):
        return known
    if finetuning.score:
        return element("span", "finished", class_="pill finished")
    return element("span", "no score yet", class_="pill other")


def lede(finetuning: FinetuningRun, scored: int | None, baseline: Baseline | None) -> Markup:
    """Tell in a few plain sentences what was trained and how good it is.

    Args:
        finetuning: the run.
        scored: how many examples the model was scored on.
        baseline: a trivial guess in the primary metric.
    """
    sentences = [_what(finetuning), _how_good(finetuning, scored, baseline)]
    return element("p", " ".join(sentences), class_="lede")


def tiles(finetuning: FinetuningRun, baselines: dict[str, Baseline]) -> Markup | None:
    """Show the headline figures; baselines are those of the metrics' own names."""
    found = []
    names = sorted(finetuning.metrics, key=lambda name: name != finetuning.primary)
    for name in names if finetuning.score else ():
        measure, baseline = finetuning.measure(name), baselines.get(name)
        if not measure.bounded or name.startswith("f1_"):
            continue
        assert finetuning.score
        value = finetuning.score.metrics[name]
        text: Content = "held out"
        mark = None
        if baseline:
            text = [element("b", measure.write(baseline.value)), f" by {baseline.guess}"]
            mark = measure.share(baseline.value)
        shown = measure.write(value)
        found.append(tile(measure.label, shown, text, measure.share(value), mark))
    found = [*found[: _MAX_TILES - 1], _steps(finetuning)]
    found = [made for made in found if made]
    return element("div", *found, class_="tiles") if found else None


def score_table(finetuning: FinetuningRun, baselines: dict[str, Baseline]) -> Content:
    """List every score with its interval and a trivial guess.

    Args:
        finetuning: the run.
        baselines: by the name that the score has, "split/metric" on further splits.
    """
    score = finetuning.score
    if not score or not score.metrics:
        return None
    rows: list[list[Content]] = []
    several = any("/" in name for name in score.metrics)
    first = next(iter(finetuning.predictions), "") if several else ""
    for name, value in score.metrics.items():
        if name.rpartition("/")[2].startswith("f1_") and finetuning.predictions:
            continue  # those of a type of entity stand with its other figures
        measure, split = finetuning.measure(name), name.rpartition("/")[0] or first
        interval, baseline = score.intervals.get(name), baselines.get(name)
        label = [measure.label, element("small", measure.meaning)]
        if split:
            label.insert(1, f", {split.replace('_', ' ')}")
        rows.append(
            [
                label,
                measure.write(value),
                " to ".join(map(measure.write, interval)) if interval else "–",
                measure.write(baseline.value) if baseline else "–",
            ]
        )
    return table(("", "score", "95% interval", "a trivial guess"), rows, "numbers scores")


def _what(finetuning: FinetuningRun) -> str:
    run, shape = finetuning.run, finetuning.architecture
    layers, width = as_number(shape.get("num_hidden_layers")), as_number(shape.get("hidden_size"))
    size = f" of {layers:.0f} layers of width {width:.0f}" if layers and width else ""
    source = as_text(run.setting("init_from"))
    begin = ""
    if source:
        name = PurePath(source.replace("\\", "/")).name
        begin = " from random weights" if source == "random" else f" from {name}"
    moved = {"all": "", "head": ", its head alone,"}
    what = as_text(run.setting("train.what"))
    part = moved.get(what, f", its {what.replace(':', ' ')} layers alone," if what else "")
    steps = f"{run.last_step:,}"
    if finetuning.total_steps and run.last_step < finetuning.total_steps:
        steps += f" of {finetuning.total_steps:,}"
    task = finetuning.task or "a task"
    if not run.last_step:
        return f"A BERT{size}{part} to be fine-tuned on {task}{begin}. No step is recorded yet."
    so_far = "" if finetuning.score else " so far"
    return f"A BERT{size}{part} fine-tuned on {task}{begin} for {steps} steps{so_far}."


def _how_good(finetuning: FinetuningRun, scored: int | None, baseline: Baseline | None) -> str:
    name, score = finetuning.primary, finetuning.score
    measure = finetuning.measure(name)
    if not score:
        best = finetuning.history
        if not best:
            return "It has not been scored yet."
        return (
            f"Its best {measure.label} so far is {measure.write(max(best.values))}, at step "
            f"{finetuning.best_step:,}; its predictions come when it has finished."
        )
    if name not in score.metrics:
        return ""
    value, interval = measure.write(score.metrics[name]), score.intervals.get(name)
    of = f"{scored:,} held-out examples" if scored else "held-out examples"
    between = f" ({' to '.join(map(measure.write, interval))})" if interval else ""
    text = f"Its {measure.label} on {of} is {value}{between}: {measure.meaning}."
    if measure.in_percent:
        text = f"It gets {value} of {of} right{between}."
    if baseline:
        trivial = measure.write(baseline.value)
        if score.metrics[name] <= baseline.value:
            text += f" That is no better than {baseline.guess}, which reaches {trivial}."
        else:
            text += f" {baseline.guess[:1].upper()}{baseline.guess[1:]} would reach {trivial}"
            chance = interval and interval[0] <= baseline.value
            text += ", which is inside the interval: it may be chance." if chance else "."
    return f"{text} {_INTERVAL}" if interval else text


def _steps(finetuning: FinetuningRun) -> Markup | None:
    run, best = finetuning.run, finetuning.best_step
    if not run.last_step:
        return None
    text = f"the best model is that of step {best:,}" if best is not None else "none evaluated yet"
    share = None
    if finetuning.total_steps:
        share = min(1.0, run.last_step / finetuning.total_steps)
        text = f"of {finetuning.total_steps:,}; {text}" if share < 1 else text
    return tile("Steps", numbers.count(run.last_step), text, share)
