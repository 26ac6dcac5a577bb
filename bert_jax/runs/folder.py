"""The files that say what a run is: config, tokenizer, versions, parameters, pairs."""

import datetime
import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

import jax

from bert_jax.data.batches import PretrainingRows
from bert_jax.runs.assembly import Pretraining
from bert_jax.runs.models import CHECKPOINTS, TOKENIZER, write_description
from bert_jax.training.parameters import count_parameters, format_table, parameter_table
from bert_jax.training.phases import Phase
from bert_jax.training.workdir import write_json, write_text

PACKAGES = ("bert_jax", "jax", "flax", "optax", "orbax-checkpoint", "numpy", "tokenizers")


class RunFolder:
    """Names and contents of what stands in a run's folder."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.config = workdir / "config.json"
        self.checkpoints = workdir / CHECKPOINTS
        self.report = workdir / "report.html"
        self.run = workdir / "run.json"

    def read(self) -> dict[str, Any]:
        """Return what run.json says, or nothing where the run has not begun."""
        return json.loads(self.run.read_text()) if self.run.exists() else {}

    def set_status(self, status: str) -> None:
        """Note that the run is "running", "stopped" or "finished"."""
        write_json(self.run, self.read() | {"status": status})

    def describe(
        self, pretraining: Pretraining, command: str, no_decay: tuple[str, ...], step: int
    ) -> None:
        """Write down, and print, what is about to be trained."""
        state, mesh = pretraining.abstract_state, pretraining.sharding.mesh
        shardings = jax.tree.map(lambda leaf: leaf.sharding, state.params)
        table = parameter_table(state.params, shardings, no_decay)
        write_json(self.workdir / "parameters.json", table)
        write_text(self.workdir / "parameters.txt", format_table(table) + "\n")
        write_description(self.workdir, pretraining.model, "pretraining")
        pretraining.tokenizer.save(self.workdir / TOKENIZER)
        first = pretraining.plan.phases[0]
        device = jax.devices()[0].device_kind
        parameters = count_parameters(state.params)
        run = {
            "command": command,
            "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "versions": {name: _version(name) for name in PACKAGES},
            "device": device,
            "num_devices": jax.device_count(),
            "mesh": dict(mesh.shape),
            "parameters": parameters,
            "status": "running",
            "corpus": os.path.relpath(pretraining.corpus.directory, self.workdir),
            "corpus_fingerprint": pretraining.corpus.fingerprint,
            "tokenizer_fingerprint": pretraining.tokenizer.fingerprint,
        }
        write_json(self.run, self.read() | run)
        print(format_table(table))
        last = pretraining.plan.phases[-1]
        print(
            f"{parameters:,} parameters; {jax.device_count()} x {device} as "
            f"{' x '.join(f'{name}={size}' for name, size in mesh.shape.items())}; "
            f"steps {step} to {last.end} of {first.batch_size} sequences of "
            f"{first.max_seq_length} tokens",
            flush=True,
        )

    def describe_pairs(self, pretraining: Pretraining, phase: Phase) -> PretrainingRows:
        """Write down and print what pairs a phase trains on, and return its rows."""
        rows = {name: pretraining.rows(name, phase) for name in pretraining.corpus.splits}
        statistics = {name: of_split.statistics() for name, of_split in rows.items()}
        path = self.workdir / ("pairs.json" if phase.index == 0 else f"pairs.{phase.name}.json")
        write_json(path, statistics)
        for name, values in statistics.items():
            print(
                f"{name} pairs ({phase.name} phase): {values['pairs']:,} an epoch, "
                f"{values['is_next_share']:.1%} IsNext, {values['padding_share']:.1%} padding, "
                f"{values['truncated_share']:.1%} truncated"
            )
        return rows["train"]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
