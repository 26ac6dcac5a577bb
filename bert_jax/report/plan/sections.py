"""The parts of a plan as tables of words, whatever they are shown on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bert_jax.report.numbers import count, decimal, percent
from bert_jax.report.plan.quantities import (
    amount,
    between,
    mesh_of,
    operations,
    rate,
    seconds,
    size,
)

Row = Sequence[str]
_LEAST = (
    "Bounds, not measurements: the least is the slowest part alone, as if all overlapped, the most "
    "the sum of the parts, as if nothing did; each part at its peak"
)


@dataclass(frozen=True)
class Section:
    """A table with what has to be known to read it.

    Attributes:
        title: what it is about.
        rows: the first cell of each names it.
        head: of the columns; None for none.
        explain: where the figures come from, and what they assume.
        items: what to do about it.
    """

    title: str
    rows: Sequence[Row]
    head: Row | None = None
    explain: str = ""
    items: Sequence[str] = ()


def sections_of(plan: dict[str, Any]) -> list[Section]:
    """Give the parts of a plan in order; those without rows are left out."""
    several = len(plan["phases"]) > 1
    found = [_target(plan)]
    for phase in plan["phases"]:
        suffix = f", {phase['name']} phase" if several else ""
        for section in (
            _memory(phase, plan["target"]),
            _largest(phase, plan["target"]),
            _flops(phase),
            _collectives(phase),
            _time(phase, plan),
            _scaling(phase),
        ):
            if section.rows:
                found.append(
                    Section(
                        section.title + suffix,
                        section.rows,
                        section.head,
                        section.explain,
                        section.items,
                    )
                )
    return [*found, _run(plan)]


def shape_of(phase: dict[str, Any]) -> str:
    """Describe the rows of a step."""
    length = phase["packed_length"] or phase["max_seq_length"]
    parts = phase["gradient_accumulation"]
    return f"{phase['batch_size']:,} rows of {length} tokens" + (
        f" in {parts} parts" if parts > 1 else ""
    )


def _target(plan: dict[str, Any]) -> Section:
    target = plan["target"]
    rows = [
        ("model", f"{plan['model']['parameters']:,} parameters"),
        ("devices", f"{target['devices']:,} x {target['kind']}, {mesh_of(plan['mesh'])}"),
        *((f"{p['name']} phase", f"{p['steps']:,} steps of {shape_of(p)}") for p in plan["phases"]),
        ("peak of products", rate(target["peak_flops"], "FLOP/s")),
        ("memory", f"{size(target['memory'])}, of which {size(target['usable_memory'])} usable"),
        ("its bandwidth", rate(target["bandwidth"], "B/s")),
    ]
    if target["link"] and target["devices"] > 1:
        near, far = rate(target["link"], "B/s"), rate(target["network"], "B/s")
        beyond = f", {far} beyond" if target["network"] else ""
        rows.append(("links", f"{near} a device within {target['domain']:,}{beyond}"))
    return Section("What runs where", rows, explain=f"Source: {target['source']}.")


def _memory(phase: dict[str, Any], target: dict[str, Any]) -> Section:
    memory = phase["memory"]
    rows = [
        ("parameters", size(memory["parameters"]), "sum"),
        ("optimizer state", size(memory["optimizer"]), "sum"),
        ("batch", size(memory["batch"]), "sum"),
        ("temporary", size(memory["temporary"]), "compiler"),
        ("  of it gradients", size(memory["gradients"]), "sum"),
        ("  of it activations and others", size(memory["activations"]), "difference"),
        ("peak", size(memory["peak"]), "compiler"),
        ("usable", size(target["usable_memory"]), "table"),
    ]
    explain = (
        "Of one device. Sums are ours, from shapes and shardings; the compiler's are those of "
        "the compiled program."
    )
    head = ("", "bytes", "from")
    return Section("Memory", rows, head, explain, [f"To make it fit: {a}" for a in phase["advice"]])


def _largest(phase: dict[str, Any], target: dict[str, Any]) -> Section:
    largest = phase["largest"]
    if not largest:
        return Section("Largest batch", [])
    rows = [
        (
            f"{int(rows):,}",
            "refused by the compiler" if needed is None else size(needed),
            "yes" if int(rows) <= largest["fits"] else "no",
        )
        for rows, needed in largest["tried"].items()
    ]
    parts = phase["gradient_accumulation"]
    explain = (
        f"{largest['fits']:,} rows of a device fit"
        + (f", {largest['next']:,} do not" if largest["next"] else "")
        + (f"; a batch may have {parts} times as many, in {parts} parts" if parts > 1 else "")
        + ". Each was compiled."
    )
    return Section("Largest batch", rows, ("rows a device", "peak", "fits"), explain)


def _flops(phase: dict[str, Any]) -> Section:
    flops = phase["flops"]
    rows = [(name, operations(value)) for name, value in flops["products"].items() if value]
    rows.append(("all products, by formula", operations(flops["formula"])))
    if flops["recomputed"]:
        rows.append(("computed again", operations(flops["recomputed"])))
    ratio = flops["counted"] / flops["formula"]
    rows.append(("counted by XLA", f"{operations(flops['counted'])} ({ratio:.3f} of the formula)"))
    explain = (
        "A step on all devices, forward and backward, two operations for a multiplication and an "
        "addition. XLA counts elementwise work too, in the step lowered for one device of a CPU "
        "with its layers one after the other."
    )
    return Section("Arithmetic", rows, explain=explain)


def _collectives(phase: dict[str, Any]) -> Section:
    rows = [
        (
            entry["kind"],
            f"{entry['members']:,}",
            f"{entry['times']:,}",
            size(entry["size"]),
            size(entry["sent"]),
            source,
        )
        for source, key in (("compiled", "collectives"), ("theory", "collectives_in_theory"))
        for entry in phase[key] or ()
    ]
    explain = (
        "A step, of one device: what the compiled program does, and what data, fsdp and tensor "
        "parallelism ask for. Bytes sent are those of ring algorithms."
    )
    head = ("", "among", "times", "results", "sent", "from")
    return Section("What devices send each other", rows, head, explain)


def _time(phase: dict[str, Any], plan: dict[str, Any]) -> Section:
    time = phase["time"]
    if not time:
        return Section("Time of a step", [])
    bounds = [time["least"], time["most"]]
    tokens = [phase["tokens"] / bound for bound in reversed(bounds)]
    names = {"compute": "products", "memory": "memory", "links": "links"}
    rows = [
        ("products", seconds(time["compute"])),
        (f"memory ({size(phase['moved'])})", seconds(time["memory"])),
        *((("links", seconds(time["links"])),) if time["links"] else ()),
        ("a step", f"{between(bounds, seconds)}, bound by {names[time['bound_by']]}"),
        ("tokens a second, padding included", between(tokens, amount)),
        ("utilisation (model FLOPs)", between(time["utilisation"], percent)),
    ]
    share = plan["efficiency"]
    slower = "" if share == 1 else f", products at {percent(share)} of it (--efficiency)"
    explain = (
        f"{_LEAST}{slower}. Memory: the state read and written, what is temporary written and read "
        "once, or what the compiler counts if that is more."
    )
    return Section("Time of a step", rows, explain=explain)


def _scaling(phase: dict[str, Any]) -> Section:
    scaling = phase["scaling"]
    rows = []
    for entry in scaling:
        speeds = [
            entry["rows"] / phase["batch_size"] * phase["tokens"] / entry[bound]
            for bound in ("most", "least")
        ]
        kept = [scaling[0][bound] / entry[bound] for bound in ("most", "least")]
        rows.append(
            (
                f"{entry['devices']:,}",
                mesh_of(entry["mesh"]),
                f"{entry['rows']:,.0f}",
                size(entry["sent"]),
                between([entry["least"], entry["most"]], seconds),
                between(speeds, amount),
                between(kept, percent),
            )
        )
    explain = (
        "A prediction by formula, not a measurement: as many rows on each device, collectives as "
        "theory asks for. What a larger batch does to learning is another matter."
    )
    head = ("devices", "mesh", "rows", "sent a device", "a step", "tokens a second", "kept")
    return Section("More devices", rows, head, explain)


def _run(plan: dict[str, Any]) -> Section:
    run = plan["run"]
    rows = [
        ("steps", f"{run['steps']:,}"),
        ("tokens, padding included", count(run["tokens"])),
        ("arithmetic", operations(run["flops"])),
    ]
    if "seconds" in run:
        rows.append(("time", between(run["seconds"], seconds)))
        rows.append(("device hours", between(run["device_hours"], decimal)))
    if "kilowatt_hours" in run:
        rows.append(("energy", f"{between(run['kilowatt_hours'], decimal)} kWh"))
    if "price" in run:
        rows.append(("price", between(run["price"], decimal)))
    explain = "All phases; preparing text, compiling, evaluation and checkpoints are not in it."
    return Section("The whole run", rows, explain=explain)
