"""The worst of many, and how an example is shown."""

import heapq
from typing import Any

from bert_jax.report.files import as_text
from bert_jax.report.markup import Content, Markup, element, excerpt


class Worst:
    """Keep the `keep` lines of highest badness; of equals, those that came first."""

    def __init__(self, keep: int):
        self._keep = keep
        self._seen = 0
        self._heap: list[tuple[float, int, dict[str, Any]]] = []

    def add(self, badness: float, line: dict[str, Any]) -> None:
        """Keep the line if it is bad enough; `badness` is finite."""
        self._seen += 1
        entry = (badness, -self._seen, line)  # no two are equal, so lines are never compared
        if len(self._heap) < self._keep:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def lines(self) -> list[dict[str, Any]]:
        """Return what was kept, the worst first."""
        return [line for _, _, line in sorted(self._heap, key=lambda entry: entry[:2])][::-1]


def sentences(line: dict[str, Any], *names: str) -> list[Markup]:
    """Show those fields of a line that hold text."""
    texts = [as_text(line.get(name)) for name in names]
    return [element("div", excerpt(text), class_="sentence") for text in texts if text]


def example_card(place: str, example: list[Markup], *said: Content) -> Markup:
    """Show an example, and below it what was said of it."""
    return element(
        "article",
        *example,
        element("p", *said, class_="said"),
        element("p", place.replace("\\", "/").rpartition("/")[2], class_="place"),
        class_="sample",
    )


def cards(examples: list[Markup], explain: str) -> Content:
    """Show example cards below a word on them."""
    if not examples:
        return element("p", "Nowhere.", class_="explain")
    return [
        element("p", explain, class_="explain"),
        element("div", *examples, class_="columns"),
    ]
