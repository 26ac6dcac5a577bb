"""What a pretraining run tells of itself before it begins: parameters, devices, pairs."""

import os
from collections.abc import Mapping

import jax

from bert_jax.data.batches import PretrainingRows
from bert_jax.runs.assembly import Pretraining
from bert_jax.runs.folder import RunFolder
from bert_jax.runs.models import TOKENIZER, write_description
from bert_jax.training.parameters import count_parameters, format_table, parameter_table
from bert_jax.training.phases import Phase
from bert_jax.whole import write_json, write_text


def describe(
    folder: RunFolder,
    pretraining: Pretraining,
    command: str,
    no_decay: tuple[str, ...],
    step: int,
) -> None:
    """Write down, and print, what is about to be trained."""
    state, mesh = pretraining.abstract_state, pretraining.sharding.mesh
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state.params)
    table = parameter_table(state.params, shardings, no_decay)
    write_json(folder.workdir / "parameters.json", table)
    write_text(folder.workdir / "parameters.txt", format_table(table) + "\n")
    write_description(folder.workdir, pretraining.model, "pretraining")
    pretraining.tokenizer.save(folder.workdir / TOKENIZER)
    parameters = count_parameters(state.params)
    folder.begin(
        command,
        mesh,
        parameters=parameters,
        corpus=os.path.relpath(pretraining.corpus.directory, folder.workdir),
        corpus_fingerprint=pretraining.corpus.fingerprint,
        tokenizer_fingerprint=pretraining.tokenizer.fingerprint,
    )
    print(format_table(table))
    first, last = pretraining.plan.phases[0], pretraining.plan.phases[-1]
    print(
        f"{parameters:,} parameters; {jax.device_count()} x {jax.devices()[0].device_kind} as "
        f"{' x '.join(f'{name}={size}' for name, size in mesh.shape.items())}, "
        f"products in {pretraining.execution.compute_dtype}; "
        f"steps {step} to {last.end} of {first.batch_size} {_shape(first)}",
        flush=True,
    )


def describe_pairs(folder: RunFolder, pretraining: Pretraining, phase: Phase) -> PretrainingRows:
    """Write down and print what pairs a phase trains on, and return its rows."""
    rows = {name: pretraining.rows(name, phase) for name in pretraining.corpus.splits}
    statistics = {name: of_split.statistics() for name, of_split in rows.items()}
    name = "pairs.json" if phase.index == 0 else f"pairs.{phase.name}.json"
    write_json(folder.workdir / name, statistics)
    for split, values in statistics.items():
        print(
            f"{split} pairs ({phase.name} phase): {values['pairs']:,} an epoch"
            f"{_packed(values)}, {values['is_next_share']:.1%} IsNext, "
            f"{values['padding_share']:.1%} padding, {values['truncated_share']:.1%} truncated"
        )
    return rows["train"]


def _shape(phase: Phase) -> str:
    if not phase.packed_length:
        return f"sequences of {phase.max_seq_length} tokens"
    return (
        f"rows of {phase.packed_length} tokens, each up to {phase.packed_sequences} sequences of "
        f"{phase.max_seq_length}"
    )


def _packed(statistics: Mapping[str, float]) -> str:
    if statistics["pairs"] == statistics["rows"]:
        return ""
    return f" in {statistics['rows']:,} rows ({statistics['pairs_per_row']:.2f} a row)"
