"""A headline figure with what it is to be compared with."""

from bert_jax.report.markup import Content, Markup, element, join


def tile(
    label: str, figure: str, text: Content, share: float | None = None, mark: float | None = None
) -> Markup:
    """Make a tile.

    Args:
        label: what it is.
        figure: the figure, large.
        text: what it is to be compared with.
        share: how much of a bar is filled, 0 to 1; None for no bar.
        mark: the level marked on the bar.
    """
    bar = None
    if share is not None:
        tick = None
        if mark is not None:
            tick = element("i", class_="mark", style=f"left:{100 * mark:.2f}%")
        fill = element("i", class_="fill", style=f"width:{100 * share:.2f}%")
        bar = element("div", fill, tick, class_="bar", aria_hidden="true")
    return element(
        "div",
        element("div", label, class_="label"),
        element("div", figure, class_="figure"),
        bar,
        element("div", join(text), class_="beside"),
        class_="tile",
    )
