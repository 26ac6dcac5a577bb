"""A plan as text for a terminal."""

import textwrap
from collections.abc import Sequence
from typing import Any

from bert_jax.report.plan.quantities import mesh_of, size
from bert_jax.report.plan.sections import Row, Section, sections_of, shape_of

_WIDTH = 100


def as_text(plan: dict[str, Any]) -> str:
    """Write a plan for a terminal."""
    parts = [verdict(plan), *(_section(section) for section in sections_of(plan))]
    notes = [line for note in plan["notes"] for line in _item(note)]
    return "\n\n".join([*parts, "\n".join(["NOTES", *notes])])


def verdict(plan: dict[str, Any]) -> str:
    """Say in a line whether it fits, with the figures, and what to change first where not."""
    target = plan["target"]
    where = f"{target['devices']:,} x {target['kind']} ({mesh_of(plan['mesh'])})"
    bad = [phase for phase in plan["phases"] if not phase["memory"]["fits"]]
    worst = max(bad or plan["phases"], key=lambda phase: phase["memory"]["peak"] or 0)
    memory = worst["memory"]
    figures = f"{size(memory['peak'])} of {size(memory['usable'])} a device"
    if not bad:
        return f"fits on {where}: {figures}"
    advice = f"; {worst['advice'][0]}" if worst["advice"] else ""
    return f"does not fit on {where}: {figures} with {shape_of(worst)}{advice}"


def _section(section: Section) -> str:
    lines = [section.title.upper()]
    lines += textwrap.wrap(section.explain, _WIDTH)
    lines += _table(([section.head] if section.head else []) + list(section.rows))
    for item in section.items:
        lines += _item(item)
    return "\n".join(lines)


def _item(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="- ", subsequent_indent="  ")


def _table(rows: Sequence[Row]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 or len(row) == 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
