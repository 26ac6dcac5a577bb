"""The page of a plan: its parts in order."""

from datetime import datetime
from pathlib import Path
from typing import Any

from bert_jax.report.frame import frame, section
from bert_jax.report.markup import Content, Markup, element, table
from bert_jax.report.numbers import percent
from bert_jax.report.plan.figure import draw_scaling
from bert_jax.report.plan.quantities import between, operations, seconds, size
from bert_jax.report.plan.sections import Section, sections_of, shape_of
from bert_jax.report.plan.text import verdict
from bert_jax.report.tile import tile
from bert_jax.whole import whole_file, write_json

_FOOTER = "; a prediction, from compiled programs and makers’ figures."


def write_plan(plan: dict[str, Any], folder: Path) -> Path:
    """Write plan.json and plan.html into a folder; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "plan.json", plan)
    page = folder / "plan.html"
    with whole_file(page) as file:
        file.write(render_plan(plan, datetime.now().astimezone()).encode(errors="replace"))
    return page


def render_plan(plan: dict[str, Any], written: datetime) -> str:
    """Return the whole page as HTML."""
    line = verdict(plan)
    words = "fits" if plan["fits"] else "does not fit"
    pill = element("span", words, class_=f"pill {'finished' if plan['fits'] else 'stopped'}")
    notes = [element("li", note) for note in plan["notes"]]
    return frame(
        f"plan for {plan['target']['name']}",
        header=[
            element("h1", "What it will cost ", pill),
            element("p", f"{line[0].upper()}{line[1:]}.", class_="lede"),
        ],
        main=[
            element("aside", element("ul", *notes), class_="notes") if notes else None,
            _tiles(plan),
            *(section(one.title, _content(one)) for one in sections_of(plan)),
            section("The same on more devices", _figures(plan)),
            section("The command", element("pre", plan["command"])) if "command" in plan else None,
        ],
        written=written,
        footer=_FOOTER,
    )


def _content(one: Section) -> Content:
    items = [element("li", item) for item in one.items]
    return [
        element("p", one.explain, class_="explain") if one.explain else None,
        table(one.head, one.rows, "numbers" if one.head else "lookup"),
        element("ul", *items) if items else None,
    ]


def _tiles(plan: dict[str, Any]) -> Markup:
    worst = max(plan["phases"], key=lambda phase: phase["memory"]["peak"] or 0)
    memory, run = worst["memory"], plan["run"]
    peak = memory["peak"]
    share = min(1.0, peak / memory["usable"]) if peak else None
    found = [
        tile("Memory of a device", size(peak), f"of {size(memory['usable'])} usable", share),
        tile("Arithmetic", operations(run["flops"]), f"in {run['steps']:,} steps"),
    ]
    time = plan["phases"][0]["time"]
    if time:
        bounds = [time["least"], time["most"]]
        found.insert(1, tile("A step", between(bounds, seconds), shape_of(plan["phases"][0])))
        found.insert(
            2,
            tile(
                "Utilisation",
                between(time["utilisation"], percent),
                "the model’s own products at their peak",
                time["utilisation"][0],
            ),
        )
    if "seconds" in run:
        found.append(tile("The whole run", between(run["seconds"], seconds), "all phases"))
    return element("div", *found, class_="tiles")


def _figures(plan: dict[str, Any]) -> Content:
    drawn = []
    for number, phase in enumerate(plan["phases"]):
        scaling = phase["scaling"]
        if len(scaling) < 2:
            continue
        per_row = phase["tokens"] / phase["batch_size"]
        svg = draw_scaling(
            [entry["devices"] for entry in scaling],
            [entry["rows"] * per_row / entry["most"] for entry in scaling],
            [entry["rows"] * per_row / entry["least"] for entry in scaling],
            key=f"scaling-{number}",
            description=f"Tokens a second by number of devices, {phase['name']} phase",
        )
        title = element("h3", f"Tokens a second, {phase['name']} phase")
        keys = [
            element("span", "predicted, between the two bounds", class_="key validation"),
            element("span", "in proportion", class_="key baseline"),
        ]
        head = element("header", title, element("p", *keys, class_="legend"))
        caption = element("figcaption", "By number of devices. Nothing here was measured.")
        drawn.append(element("figure", head, svg, caption, class_="curve"))
    return element("div", *drawn, class_="grid") if drawn else None
