"""How the heads of a model attend within lines of text: a page that needs nothing else."""

import base64
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from bert_jax.report.attention.heads import Heads, summarize
from bert_jax.report.attention.picture import draw_heads
from bert_jax.report.attention.script import SCRIPT
from bert_jax.report.attention.style import STYLE
from bert_jax.report.frame import frame
from bert_jax.report.markup import Content, Markup, element

_LONGEST_TITLE = 200  # characters
_SHARP = 700  # pixels that a picture is shown with, about

_LEGEND = (
    "Each square is a head: a row of layers from the first to the last. In a square the rows are "
    "the tokens that look, the columns the tokens looked at, and colour is how much; a row adds "
    "up to 100%. The scale is a square root, so that little can be seen."
)
_WITHOUT = element(
    "p", "Where JavaScript runs, a head can be chosen here and seen with its tokens, enlarged."
)
_COLUMNS = (
    ("head", None),
    ("entropy, bits", "How widely a token looks, on average: 0 is at one token alone."),
    ("[CLS], [SEP]", "Share of the attention on the tokens that mark where texts begin and end."),
    ("itself", "Share that a token gives to itself."),
    ("previous", "Share that goes to the token before."),
    ("next", "Share that goes to the token behind."),
)


class Attended(NamedTuple):
    """A line as a model reads it, and how its heads attend.

    Attributes:
        texts: the text, or the two of a pair.
        tokens: the pieces, T of them, [CLS] and [SEP] too.
        segments: 0 or 1 for each token.
        special: whether a token only marks where a text begins or ends.
        probabilities: [L, N, T, T]: of each layer and head, from a token and to a token.
    """

    texts: Sequence[str]
    tokens: Sequence[str]
    segments: Sequence[int]
    special: Sequence[bool]
    probabilities: np.ndarray


def render(model: str, lines: Sequence[Attended], written: datetime) -> str:
    """Return the whole page about some lines, at least one, as HTML."""
    layers, heads = lines[0].probabilities.shape[:2]
    return frame(
        f"Attention · {model}",
        header=[
            element("h1", model),
            element("p", f"Where its {layers} × {heads} attention heads look.", class_="lede"),
            element("p", _LEGEND, class_="explain"),
        ],
        main=[element("noscript", _WITHOUT), [_section(line) for line in lines]],
        written=written,
        footer=".",
        style=STYLE,
        script=SCRIPT,
    )


def _section(line: Attended) -> Markup:
    layers, heads, tokens, _ = line.probabilities.shape
    titles = [
        text if len(text) <= _LONGEST_TITLE else f"{text[:_LONGEST_TITLE]}…" for text in line.texts
    ]
    return element(
        "section",
        element("h2", [element("span", title) for title in titles]),
        element("div", _overview(line), _ranking(line), class_="grid overview"),
        _chosen(line),
        data_heads=heads,
        style=f"--layers:{layers};--heads:{heads};--tokens:{tokens}",
    )


def _overview(line: Attended) -> Markup:
    """Show all heads, the picture below and a button for each above."""
    layers, heads, tokens, _ = line.probabilities.shape
    data = base64.b64encode(draw_heads(line.probabilities)).decode()
    size = f'width="{heads * tokens}" height="{layers * tokens}"'
    # Pixels are to stay squares, but where several fall into one they have to be mixed.
    rendering = "pixelated" if heads * tokens <= _SHARP else "auto"
    picture = Markup(f'<img src="data:image/png;base64,{data}" {size} alt="all heads">')
    buttons = [element("button", title=_name(i, heads), aria_label=_name(i, heads), type="button")
               for i in range(layers * heads)]  # fmt: skip
    return element(
        "figure",
        element("h3", "All heads"),
        element(
            "div",
            element("div", [element("span", i + 1) for i in range(heads)], class_="across"),
            element("div", [element("span", i + 1) for i in range(layers)], class_="down"),
            element("div", picture, element("div", buttons, class_="tiles"), class_="shaded",
                    style=f"--rendering:{rendering}"),
            class_="heads",
        ),
        element("figcaption", "layers downward, heads across"),
    )  # fmt: skip


def _ranking(line: Attended) -> Markup:
    """Show what each head does on average."""
    found = summarize(line.probabilities, line.special)
    head = [
        element("th", element("button", title, title=hint, type="button"))
        for title, hint in _COLUMNS
    ]
    heads = line.probabilities.shape[1]
    rows = [
        element("tr", element("th", _name(i, heads)), cells, data_head=i)
        for i, cells in enumerate(_cells(found, len(line.tokens)))
    ]
    table = element("table", element("thead", element("tr", head)), element("tbody", rows))
    return element(
        "figure",
        element("h3", "What each does, on average"),
        element("div", table, class_="scroll"),
        class_="ranking",
    )


def _cells(found: Heads, tokens: int) -> Iterator[list[Markup]]:
    """Yield the numbers of each head, with bars that fill a cell at the most there can be."""
    columns = [getattr(found, field.name).ravel() for field in dataclasses.fields(found)]
    widest = np.log2(tokens) if tokens > 1 else 1.0
    for entropy, *shares in zip(*columns, strict=True):
        yield [
            element("td", f"{entropy:.2f}", style=f"--p:{100 * entropy / widest:.0f}%"),
            *(element("td", f"{100 * x:.1f}%", style=f"--p:{100 * x:.0f}%") for x in shares),
        ]


def _chosen(line: Attended) -> Markup:
    """Make room for one head, which the script fills."""
    tokens = len(line.tokens)
    texts = [
        element("div", [_word(token) for _, token in group], class_="words")
        for _, group in itertools.groupby(
            zip(line.segments, line.tokens, strict=True), key=lambda pair: pair[0]
        )
    ]
    map_ = element(
        "div",
        element("div", class_="top"),
        element("div", class_="left"),
        element("div", element("canvas", width=tokens, height=tokens), class_="shaded"),
        class_="cells",
    )
    content: list[Content] = [
        element("h3"),
        element("p", class_="readout", aria_live="polite"),
        texts,
        element("div", map_, class_="scroll"),
    ]
    return element("figure", content, class_="chosen", hidden=True)


def _word(token: str) -> Markup:
    return element("button", element("span", token), element("small"), type="button")


def _name(index: int, heads: int) -> str:
    return f"layer {index // heads + 1}, head {index % heads + 1}"
