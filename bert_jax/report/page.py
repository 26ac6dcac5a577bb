"""The page: its parts in order, in one file that needs nothing else."""

from datetime import datetime

from bert_jax.report.corpus_section import corpus_section
from bert_jax.report.curves import curves
from bert_jax.report.markup import Content, Markup, element, join
from bert_jax.report.run import Run
from bert_jax.report.samples import samples
from bert_jax.report.style import STYLE
from bert_jax.report.summary import lede, status_pill, tiles, warnings
from bert_jax.report.tables import (
    config_table,
    machine_table,
    pair_table,
    parameter_table,
)

# Should markup ever slip through from data, a browser still runs and loads nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

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
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{run.name} · bert_jax"),
        element("style", Markup(STYLE)),
    )
    sections = [section for section in _sections(run) if section]
    body = element(
        "body",
        element(
            "header",
            element("p", "bert_jax", class_="brand"),
            element("h1", run.name, " ", status_pill(run)),
            lede(run),
        ),
        element("main", warnings(run, written), tiles(run), *sections),
        element(
            "footer",
            f"Written {written:%d %B %Y, %H:%M %Z}".strip(),
            " from the run’s own files; ",
            element("code", "python -m bert_jax.report"),
            " writes it anew.",
        ),
    )
    return join(Markup("<!doctype html>\n"), element("html", head, body, lang="en"), "\n")


def _sections(run: Run) -> list[Markup | None]:
    drawn, cards = curves(run), samples(run)
    return [
        _section("How it learnt", element("div", *drawn, class_="grid") if drawn else None),
        _section(
            "What it says for [MASK]",
            cards
            and [
                element("p", _SAMPLES, class_="explain"),
                element("div", *cards, class_="columns"),
            ],
        ),
        _section("The text it learnt from", corpus_section(run.corpus) if run.corpus else None),
        _section(
            "Sentence pairs",
            run.pairs and [element("p", _PAIRS, class_="explain"), pair_table(run)],
        ),
        _section(
            "To look things up",
            [
                element("pre", run.command) if run.command else None,
                _fold("Machine and versions", machine_table(run)),
                _fold("Config", config_table(run) if run.config else None),
                _fold("Parameters", parameter_table(run) if run.parameters else None),
            ],
        ),
    ]


def _section(title: str, content: Content) -> Markup | None:
    inside = join(content)
    return element("section", element("h2", title), inside) if inside else None


def _fold(title: str, content: Markup | None) -> Markup | None:
    return element("details", element("summary", title), content) if content else None
