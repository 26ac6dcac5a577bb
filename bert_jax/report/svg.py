"""matplotlib's SVG, made to live in a page: its colours, its fonts, no names that clash."""

import html
import io
import re
from typing import TYPE_CHECKING

from bert_jax.report.markup import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# matplotlib wants real colours; each of these stands for a variable of the page's style sheet.
COLOURS = {
    "ink": "#010101",
    "soft": "#020202",
    "rule": "#030303",
    "card": "#040404",
    "train": "#050505",
    "validation": "#060606",
    "probe": "#0a0a0a",
    "baseline": "#070707",
    "right": "#080808",
    **{f"setting-{i}": f"#{17 + i:02x}0909" for i in range(8)},  # where many lines are told apart
}


def to_svg(figure: "Figure", key: str, description: str) -> Markup:
    """Turn a figure into SVG that can stand in a page among others.

    Args:
        figure: drawn with the colours of `COLOURS` alone.
        key: a name that no other figure of the page has.
        description: for readers who cannot see it.
    """
    import matplotlib

    buffer = io.StringIO()
    silent = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with matplotlib.rc_context({"svg.hashsalt": key}):  # the same bytes for the same data
        figure.savefig(buffer, format="svg", metadata=silent)
    text = buffer.getvalue()
    view = re.search(r'viewBox="[^"]*"', text)
    assert view is not None
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    # A style sheet inside would apply to the whole page.
    body = re.sub(r'<style type="text/css">.*?</style>', "", body, flags=re.DOTALL)
    # Only what is referred to keeps its name, which the salt has made this figure's own.
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda m: m.group(0) if m.group(1) in used else "", body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    body = re.sub(r" ?font-family: [^;\"]*;?", "", body)
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    body = re.sub(r">\s+<", "><", body)
    label = html.escape(description)
    return Markup(f'<svg {view.group(0)} role="img" aria-label="{label}">{body.strip()}')
