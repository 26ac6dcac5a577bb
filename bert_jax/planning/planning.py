"""A whole run planned: every phase, the time and price of all of it, as plain data."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_jax.data.shards import MANIFEST
from bert_jax.data.tokenizers import load_tokenizer
from bert_jax.data.wordpiece import SPECIAL_TOKENS
from bert_jax.objectives.masking import Vocabulary
from bert_jax.planning.advice import advise
from bert_jax.planning.links import Transfer
from bert_jax.planning.phase_plan import PhasePlan, plan_phase
from bert_jax.planning.target import Target
from bert_jax.runs.pretraining import assemble_step, vocabulary_of
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.runs.pretraining_step import PretrainingStep
from bert_jax.training.parameters import count_parameters


@dataclass(frozen=True)
class Options:
    """What a plan is asked beside the config.

    Attributes:
        chips: numbers of devices to predict for.
        efficiency: share of the peak that products reach.
        largest_batch: whether to search for the largest batch.
        watts: that a device draws, its share of the host counted in; None: not asked for.
        price: of a device for an hour, in whatever money; None: not asked for.
    """

    chips: Sequence[int] = ()
    efficiency: float = 1.0
    largest_batch: bool = False
    watts: float | None = None
    price: float | None = None


def plan(config: PretrainConfig, target: Target, options: Options) -> dict[str, Any]:
    """Plan a run, as data for JSON; `report/plan/` says how it is shown.

    Raises:
        ConfigError: the config, or its mesh on these devices, is not a run.
    """
    vocabulary, note = _vocabulary(config)
    step = assemble_step(config, vocabulary, config.sharding(target.devices))
    phases = [
        plan_phase(
            step,
            phase,
            target,
            chips=options.chips,
            efficiency=options.efficiency,
            largest_batch=options.largest_batch,
        )
        for phase in step.plan.phases
    ]
    return {
        "model": {
            **dataclasses.asdict(step.model),
            "parameters": count_parameters(step.abstract_state.params),
        },
        "execution": {
            name: getattr(step.execution, name)
            for name in (
                *("compute_dtype", "activation_dtype", "scan_layers"),
                *("rematerialize", "attention"),
            )
        },
        "mesh": dict(step.sharding.mesh.shape),
        "target": _describe_target(target, step),
        "efficiency": options.efficiency,
        "phases": [_describe_phase(step, phase) for phase in phases],
        "run": _describe_run(phases, step, options),
        "fits": all(phase.memory.fits for phase in phases),
        "notes": _notes(step, target, phases, note),
    }


def _vocabulary(config: PretrainConfig) -> tuple[Vocabulary, str]:
    """Find how large the vocabulary will be, from the corpus if it is there; and say from where."""
    prepared = Path(config.data.path)
    given = config.prepare["tokenizer"]["path"]
    if (prepared / MANIFEST).is_file():
        vocabulary = vocabulary_of(load_tokenizer(prepared / "tokenizer"))
        return vocabulary, f"The vocabulary of {vocabulary.size:,} is that of {prepared}."
    if given:
        vocabulary = vocabulary_of(load_tokenizer(given))
        return vocabulary, f"The vocabulary of {vocabulary.size:,} is that of {given}."
    size = config.model.get("vocab_size") or config.prepare["tokenizer"]["vocab_size"]
    pad, _, cls, sep, mask = range(len(SPECIAL_TOKENS))
    note = (
        f"There is no prepared corpus yet: the vocabulary of {size:,} is that of the config "
        "(--config.model.vocab_size, or else --config.prepare.tokenizer.vocab_size)."
    )
    return Vocabulary(size, mask, (pad, cls, sep)), note


def _describe_target(target: Target, step: PretrainingStep) -> dict[str, Any]:
    chip = target.chip
    return {
        "name": target.name,
        "devices": len(target.devices),
        "platform": target.platform,
        "kind": target.devices[0].device_kind,
        "peak_flops": chip.peak(step.execution.compute_dtype),
        "memory": chip.memory,
        "usable_memory": chip.memory * chip.usable,
        "bandwidth": chip.bandwidth,
        "link": chip.link,
        "domain": chip.domain,
        "network": chip.network,
        "source": chip.source,
    }


def _describe_phase(step: PretrainingStep, planned: PhasePlan) -> dict[str, Any]:
    phase, memory, roofline = planned.phase, planned.memory, planned.roofline
    fields = ("batch_size", "max_seq_length", "packed_length", "max_predictions")
    return {
        "name": phase.name,
        "steps": phase.end - phase.start,
        **{name: getattr(phase, name) for name in (*fields, "gradient_accumulation")},
        "tokens": phase.batch_size * phase.row_length,
        "memory": {
            **dataclasses.asdict(memory),
            "activations": memory.activations,
            "fits": memory.fits,
        },
        "advice": [] if memory.fits else advise(step, phase, memory),
        "flops": {
            "products": planned.products,
            "formula": sum(planned.products.values()),
            "recomputed": planned.recomputed,
            "counted": planned.counted,
        },
        "moved": planned.moved,
        "collectives": (
            None if planned.transfers is None else _describe_transfers(planned.transfers)
        ),
        "collectives_in_theory": _describe_transfers(planned.theory),
        "gathered_whole": planned.gathered_whole,
        "time": roofline
        and {
            **dataclasses.asdict(roofline),
            "least": roofline.least,
            "most": roofline.most,
            "bound_by": roofline.bound_by,
            "utilisation": [roofline.utilisation(s) for s in (roofline.most, roofline.least)],
        },
        "scaling": [
            {
                "devices": scaled.devices,
                "mesh": scaled.mesh,
                "rows": scaled.rows,
                "sent": scaled.sent,
                "least": scaled.roofline.least,
                "most": scaled.roofline.most,
            }
            for scaled in planned.scaling
        ],
        "largest": planned.largest
        and {
            "fits": planned.largest.fits,
            "next": planned.largest.next,
            "tried": {
                str(rows): None if needed == float("inf") else needed
                for rows, needed in planned.largest.tried.items()
            },
        },
    }


def _describe_transfers(transfers: Sequence[Transfer]) -> list[dict[str, Any]]:
    """Add up the transfers of one kind among as many devices."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for transfer in transfers:
        entry = found.setdefault(
            (transfer.kind, transfer.members),
            {"kind": transfer.kind, "members": transfer.members, "times": 0, "size": 0, "sent": 0},
        )
        entry["times"] += transfer.times
        entry["size"] += transfer.times * transfer.size
        entry["sent"] += transfer.sent
    return sorted(found.values(), key=lambda entry: -entry["sent"])


def _describe_run(
    phases: Sequence[PhasePlan], step: PretrainingStep, options: Options
) -> Mapping[str, Any]:
    """Add up the phases: the least and the most of everything, evaluation and saving left out."""
    steps = [phase.phase.end - phase.phase.start for phase in phases]
    run: dict[str, Any] = {
        "steps": sum(steps),
        "tokens": sum(
            n * phase.phase.batch_size * phase.phase.row_length
            for n, phase in zip(steps, phases, strict=True)
        ),
        "flops": sum(
            n * sum(phase.products.values()) for n, phase in zip(steps, phases, strict=True)
        ),
    }
    rooflines = [phase.roofline for phase in phases]
    if any(roofline is None for roofline in rooflines):
        return run
    seconds = [
        sum(n * getattr(roofline, bound) for n, roofline in zip(steps, rooflines, strict=True))
        for bound in ("least", "most")
    ]
    hours = [step.sharding.mesh.size * second / 3600 for second in seconds]
    run |= {"seconds": seconds, "device_hours": hours}
    if options.watts is not None:
        run |= {"kilowatt_hours": [hour * options.watts / 1000 for hour in hours]}
    if options.price is not None:
        run |= {"price": [hour * options.price for hour in hours]}
    return run


def _notes(
    step: PretrainingStep, target: Target, phases: Sequence[PhasePlan], vocabulary: str
) -> list[str]:
    """Say what has to be known to read the figures."""
    notes = [vocabulary, *target.notes]
    if target.platform != "cpu" and step.execution.compute_dtype == "float32":
        notes.append(
            "Products are in float32, as the config says: is its accelerator the target's? "
            f"(--config=configs/pretrain.py:base,{target.platform})"
        )
    if target.platform == "cpu":
        notes.append(
            "A process on a CPU takes more than its step: where it was measured, 1 to 15% beyond "
            "this peak, and 0.5 to 0.7 GB for Python, its libraries and what was compiled."
        )
    for phase in phases:
        sent = sum(transfer.sent for transfer in phase.transfers or ())
        expected = sum(transfer.sent for transfer in phase.theory)
        if phase.transfers is not None and expected and sent > 1.2 * expected:
            notes.append(
                f"In the {phase.phase.name} phase devices send {sent / expected:.1f} times what "
                "theory asks for: XLA moves more than the rules would need."
            )
        if phase.gathered_whole:
            notes.append(
                f"XLA warns {phase.gathered_whole} times of the {phase.phase.name} phase that it "
                "gathers an array whole only to cut it anew."
            )
    return notes
