"""The part of the page about the text: how much, how long, and what was left out."""

from collections.abc import Callable

from bert_jax.report import numbers
from bert_jax.report.corpus import Corpus, Histogram, Tally
from bert_jax.report.markup import Content, Markup, element, table
from bert_jax.report.plots import draw_histogram

_KINDS = {"wordpiece": "WordPiece", "sentencepiece": "SentencePiece"}

_FIGURES: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("text_bytes", "bytes of text", numbers.count),
    ("characters", "characters used", numbers.count),
    ("documents_read", "documents read", numbers.count),
    ("sentences_per_document", "sentences in a document", numbers.decimal),
    ("unknown_share", "tokens that are [UNK]", numbers.percent),
    ("lines", "lines compared", numbers.count),
    ("duplicate_lines", "of them seen before, about", numbers.count),
)


def corpus_section(corpus: Corpus) -> list[Markup]:
    """Show how much text there is, how its lengths are spread and what was left out."""
    tables: list[Markup] = []
    if corpus.splits:
        tables.append(element("div", element("h3", "How much"), _splits(corpus)))
    figures = [
        (label, write(corpus.figures[name]))
        for name, label, write in _FIGURES
        if name in corpus.figures
    ]
    if figures:
        tables.append(
            element("div", element("h3", "Found in preparation"), table(None, figures, "numbers"))
        )
    left_out: Content = element("p", "Nothing was left out.", class_="explain")
    if corpus.left_out:
        left_out = _tallies(corpus.left_out)
    tables.append(element("div", element("h3", "Left out"), left_out))
    if corpus.changed:
        tables.append(element("div", element("h3", "Changed"), _tallies(corpus.changed)))
    histograms = [
        _figure("Tokens in a sentence", "sentence", corpus.sentence_lengths),
        _figure("Sentences in a document", "document", corpus.document_lengths),
    ]
    return [
        element("p", _tokenizer(corpus), class_="explain"),
        element("div", *tables, class_="columns"),
        element("div", *histograms, class_="grid"),
    ]


def _tokenizer(corpus: Corpus) -> str:
    kind = _KINDS.get(corpus.tokenizer_kind, corpus.tokenizer_kind)
    if not kind or not corpus.vocab_size:
        return f"Prepared in the folder {corpus.name}."
    return (
        f"Prepared in the folder {corpus.name} with a {kind} vocabulary of {corpus.vocab_size:,}."
    )


def _splits(corpus: Corpus) -> Markup:
    splits = corpus.splits.values()
    rows: list[list[Content]] = [
        ["documents", *(numbers.count(s.documents) for s in splits)],
        ["sentences", *(numbers.count(s.sentences) for s in splits)],
        ["tokens", *(numbers.count(s.tokens) for s in splits)],
        ["tokens in a sentence", *(_ratio(s.tokens, s.sentences) for s in splits)],
        ["unigram entropy, nats", *(_fixed(s.unigram_entropy) for s in splits)],
        ["commonest token", *(_token(s.most_frequent_token) for s in splits)],
        ["its share", *(numbers.percent(s.most_frequent_token_share) for s in splits)],
    ]
    return table(("", *(name.capitalize() for name in corpus.splits)), rows, "numbers")


def _tallies(tallies: tuple[Tally, ...]) -> Markup:
    rows: list[list[Content]] = []
    for tally in tallies:
        first = element("small", "first: ", tally.first) if tally.first else None
        unit = tally.unit.removesuffix("s") if tally.count == 1 else tally.unit
        rows.append([[tally.what, first], f"{tally.count:,} {unit}".strip()])
    return table(None, rows, "numbers")


def _figure(title: str, counted: str, histogram: Histogram | None) -> Markup | None:
    if histogram is None:
        return None
    svg = draw_histogram(
        histogram.at_least, histogram.counts, key=f"{counted}-lengths", description=title
    )
    text = "How many there are of each length. A bar begins at the number below its left edge."
    return element("figure", element("h3", title), svg, element("figcaption", text))


def _token(token: str) -> Content:
    return element("q", token) if token else "–"


def _ratio(whole: float | None, parts: float | None) -> str:
    return numbers.decimal(whole / parts) if whole and parts else "–"


def _fixed(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
