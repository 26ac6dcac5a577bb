"""The page of a fine-tuning run: its parts in order."""

from dataclasses import replace
from datetime import datetime

from bert_jax.report.finetuning.curves import curves
from bert_jax.report.finetuning.measures import Baseline
from bert_jax.report.finetuning.predictions import Predictions, read_predictions
from bert_jax.report.finetuning.run import FinetuningRun
from bert_jax.report.finetuning.summary import lede, pill, score_table, tiles
from bert_jax.report.frame import fold, frame, section
from bert_jax.report.markup import Content, Markup, element
from bert_jax.report.summary import warnings
from bert_jax.report.tables import config_table, machine_table

_MAX_SPLITS = 4


def render(finetuning: FinetuningRun, written: datetime) -> str:
    """Return the whole page as HTML; predictions are read on the way."""
    run, problems = finetuning.run, list(finetuning.problems)
    splits = _read(finetuning, problems)
    selecting = next(iter(splits.values()), None)
    baselines = _baselines(finetuning, splits)
    baseline = baselines.get(finetuning.primary)
    if finetuning.score and not splits:
        problems.append("There are no predictions with known labels: the page has the score alone.")
    drawn = curves(finetuning, baseline)
    return frame(
        run.name,
        header=[
            element("h1", run.name, " ", pill(finetuning)),
            lede(finetuning, selecting.scored if selecting else None, baseline),
        ],
        main=[
            warnings(replace(run, problems=tuple(problems)), written),
            tiles(finetuning, baselines),
            section("Scores", score_table(finetuning, baselines)),
            section("How it learnt", element("div", *drawn, class_="grid") if drawn else None),
            *_parts(splits),
            section(
                "To look things up",
                [
                    element("pre", run.command) if run.command else None,
                    fold("Machine and versions", machine_table(run)),
                    fold("Config", config_table(run) if run.config else None),
                ],
            ),
        ],
        written=written,
    )


def _read(finetuning: FinetuningRun, problems: list[str]) -> dict[str, Predictions]:
    """Read the predictions of each split whose labels are known."""
    found = {
        split: read_predictions(path, finetuning.task, problems)
        for split, path in finetuning.predictions.items()
    }
    return {split: read for split, read in found.items() if read}


def _baselines(finetuning: FinetuningRun, splits: dict[str, Predictions]) -> dict[str, Baseline]:
    """Score trivial guesses in every metric; metrics without a split are those of the first."""
    found = {}
    for name in finetuning.score.metrics if finetuning.score else finetuning.metrics:
        split, _, metric = name.rpartition("/")
        predictions = splits.get(split) if split else next(iter(splits.values()), None)
        baseline = predictions.baseline(metric) if predictions else None
        if baseline:
            found[name] = baseline
    return found


def _parts(splits: dict[str, Predictions]) -> list[Markup | None]:
    sections: list[Markup | None] = []
    for split, predictions in list(splits.items())[:_MAX_SPLITS]:
        where = f" · {split.replace('_', ' ')}" if len(splits) > 1 else ""
        parts: list[tuple[str, Content]] = predictions.parts(split)
        sections += [section(f"{title}{where}", content) for title, content in parts]
    return sections
