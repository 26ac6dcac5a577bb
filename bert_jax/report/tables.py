"""The parts of the page one looks things up in: pairs, parameters, config, machine."""

import math

from bert_jax.report import numbers
from bert_jax.report.files import as_text, flatten
from bert_jax.report.markup import Content, Markup, element, join, table
from bert_jax.report.run import Run

_MAX_ROWS = 2000
_MAX_TEXT = 400  # characters of one config value


def pair_table(run: Run) -> Markup:
    """Show how the sentence pairs came out."""
    splits = run.pairs.values()
    rows: list[list[Content]] = [
        ["pairs in an epoch", *(numbers.count(p.pairs) for p in splits)],
        ["pairs in a row", *(numbers.decimal(p.pairs_per_row) for p in splits)],
        ["second follows first", *(numbers.percent(p.is_next_share) for p in splits)],
        ["shortened to fit", *(numbers.percent(p.truncated_share) for p in splits)],
        ["padding", *(numbers.percent(p.padding_share) for p in splits)],
        ["mean length in tokens", *(numbers.decimal(p.mean_length) for p in splits)],
    ]
    return table(("", *(name.capitalize() for name in run.pairs)), rows, "numbers")


def parameter_table(run: Run) -> Markup:
    """List every array: how large, whether it decays, where it lies."""
    rows: list[list[Content]] = [
        [
            element("code", p.path),
            " × ".join(map(str, p.shape)) or "scalar",
            p.dtype,
            "yes" if p.decayed else "no",
            p.sharding,
        ]
        for p in run.parameters[:_MAX_ROWS]
    ]
    if len(run.parameters) > _MAX_ROWS:
        rows.append([f"and {len(run.parameters) - _MAX_ROWS:,} more in parameters.json"])
    total = sum(math.prod(p.shape) for p in run.parameters)
    decayed = sum(math.prod(p.shape) for p in run.parameters if p.decayed)
    text = (
        f"{len(run.parameters):,} arrays, {total:,} numbers, "
        f"{numbers.percent(decayed / total if total else 0)} of them under weight decay."
    )
    return join(
        element("p", text, class_="explain"),
        table(("array", "shape", "type", "decayed", "sharding"), rows, "lookup"),
    )


def config_table(run: Run) -> Markup:
    """List every field of the config by its dotted name."""
    rows: list[list[Content]] = []
    for path, value in flatten(run.config):
        text = as_text(value) if value is not None else "None"
        rows.append([element("code", path), text[:_MAX_TEXT] + "…" * (len(text) > _MAX_TEXT)])
    return table(("field", "value"), rows[:_MAX_ROWS], "lookup")


def machine_table(run: Run) -> Markup | None:
    """Say where the run ran and with what."""
    mesh = " × ".join(f"{axis} {as_text(size)}" for axis, size in run.mesh.items())
    devices = f"{run.num_devices} × {run.device}" if run.num_devices else run.device
    flops = numbers.short(run.flops_per_step) + "FLOP" if run.flops_per_step else ""
    facts = {"started": run.started, "device": devices, "mesh": mesh, "work in a step": flops}
    versions = {name: as_text(version) for name, version in run.versions.items()}
    rows = [(name, value) for name, value in {**facts, **versions}.items() if value]
    return table(None, rows, "lookup") if rows else None
