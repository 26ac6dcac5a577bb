"""HTML from values: text is escaped unless it is already markup, so nothing can slip through."""

import html
from collections.abc import Iterable


class Markup(str):
    """Text that is HTML already."""


Content = str | int | Markup | None | Iterable["Content"]

_VOID = {"meta", "br", "hr", "col"}


def element(
    name: str, /, *content: Content, **attributes: str | int | float | bool | None
) -> Markup:
    """Make an element; an attribute's underscores become hyphens, `class_` is `class`."""
    words = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            words.append(key)
        elif value is not None and value is not False:
            words.append(f'{key}="{html.escape(str(value))}"')
    opening = f"<{' '.join(words)}>"
    return Markup(opening if name in _VOID else f"{opening}{join(*content)}</{name}>")


def join(*content: Content) -> Markup:
    """Put contents one after the other, escaping each that is not markup."""
    parts = []
    for item in content:
        if isinstance(item, Markup):
            parts.append(item)
        elif isinstance(item, str):
            parts.append(html.escape(item))
        elif isinstance(item, Iterable):
            parts.append(join(*item))
        elif item is not None:
            parts.append(html.escape(str(item)))
    return Markup("".join(parts))


def excerpt(text: str, limit: int = 320, whole: int = 2000) -> Markup:
    """Show a text, or its first `limit` characters with up to `whole` of them behind a click."""
    if len(text) <= limit:
        return join(text)
    rest = text if len(text) <= whole else f"{text[:whole]}… ({len(text):,} characters)"
    begin = element("summary", f"{text[:limit].rstrip()}…")
    return element("details", begin, element("p", rest), class_="long")


def table(head: Iterable[Content] | None, rows: Iterable[Iterable[Content]], class_: str) -> Markup:
    """Make a table whose first column names its rows, in a box that scrolls on a phone."""
    body = [
        element("tr", *(element("td" if i else "th", cell) for i, cell in enumerate(row)))
        for row in rows
    ]
    top = None
    if head is not None:
        top = element("thead", element("tr", *(element("th", cell) for cell in head)))
    inside = element("table", top, element("tbody", *body), class_=class_)
    return element("div", inside, class_="scroll")
