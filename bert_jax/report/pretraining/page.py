"""The page of a pretraining run: its parts in order."""

from datetime import datetime

from bert_jax.report.curves import curves
from bert_jax.report.frame import fold, frame, section
from bert_jax.report.markup import Markup, element
from bert_jax.report.pretraining.corpus_section import corpus_section
from bert_jax.report.pretraining.probe import phenomena, tasks
from bert_jax.report.pretraining.samples import samples
from bert_jax.report.run import Run
from bert_jax.report.summary import lede, status_pill, tiles, warnings
from bert_jax.report.tables import (
    config_table,
    machine_table,
    pair_table,
    parameter_table,
)

_SAMPLES = (
    "Sentences the model was never trained on, each with its hidden word marked. Every row is a "
    "moment of the training; bars and small figures are probabilities in percent. The hidden "
    "word itself is green: down the rows it should appear, move to the left, and grow."
)
_PAIRS = (
    "What the next-sentence task is made from. About half of the pairs should follow; much "
    "padding is wasted work, and many shortened pairs mean that the sequence length is short for "
    "this text."
)


def render(run: Run, written: datetime) -> str:
    """Return the whole page as HTML."""
    return frame(
        run.name,
        header=[element("h1", run.name, " ", status_pill(run)), lede(run)],
        main=[warnings(run, written), tiles(run), *_sections(run)],
        written=written,
    )


def _sections(run: Run) -> list[Markup | None]:
    drawn, cards = curves(run), samples(run)
    return [
        section("How it learnt", element("div", *drawn, class_="grid") if drawn else None),
        section(
            "What it says for [MASK]",
            cards
            and [
                element("p", _SAMPLES, class_="explain"),
                element("div", *cards, class_="columns"),
            ],
        ),
        section("Minimal pairs", phenomena(run)),
        section("Linear probe", tasks(run)),
        section("The text it learnt from", corpus_section(run.corpus) if run.corpus else None),
        section(
            "Sentence pairs",
            run.pairs and [element("p", _PAIRS, class_="explain"), pair_table(run)],
        ),
        section(
            "To look things up",
            [
                element("pre", run.command) if run.command else None,
                fold("Machine and versions", machine_table(run)),
                fold("Config", config_table(run) if run.config else None),
                fold("Parameters", parameter_table(run) if run.parameters else None),
            ],
        ),
    ]
