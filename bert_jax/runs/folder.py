"""The folder of a run: what its files are called, and what run.json says of it."""

import datetime
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from bert_jax.errors import BertJaxError, DataError
from bert_jax.report import write_report
from bert_jax.runs.identity import check_config, keep_config
from bert_jax.runs.models import CHECKPOINTS
from bert_jax.whole import write_json

PACKAGES = ("bert_jax", "jax", "flax", "optax", "orbax-checkpoint", "numpy", "tokenizers")


class RunFolder:
    """Names and contents of what stands in a run's folder."""

    def __init__(self, workdir: Path, shared: Path | None = None) -> None:
        """Name them.

        Args:
            workdir: where this process writes.
            shared: where those of several processes keep what they write together; by default
                the same.
        """
        self.workdir = workdir
        self.config = workdir / "config.json"
        self.shared = shared or workdir
        self.checkpoints = self.shared / CHECKPOINTS
        self.report = workdir / "report.html"
        self.run = workdir / "run.json"
        self.score = workdir / "score.json"  # of fine-tuning

    def check(self, config: Mapping[str, Any]) -> None:
        """Check a config against the one that the run began with, if it did.

        Raises:
            ConfigError: it is that of another run.
        """
        begun = self.run.exists() or self.checkpoints.exists()
        if begun:  # else it was refused before it began: that config binds nobody
            check_config(self.config, config)

    def keep(self, config: Mapping[str, Any]) -> None:
        """Check the config, and store it where it says anything new.

        Raises:
            ConfigError: it is that of another run.
        """
        self.check(config)
        keep_config(self.config, config)

    def read(self) -> dict[str, Any]:
        """Return what run.json says, or nothing where the run has not begun.

        Raises:
            DataError: it is damaged.
        """
        try:
            return dict(json.loads(self.run.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise DataError(
                f"{self.run}: unreadable ({error}); remove it, and the same command goes on from "
                "the last checkpoint"
            ) from error

    def begin(self, command: str, mesh: jax.sharding.Mesh, **facts: Any) -> None:
        """Write down what runs, on what, and that it does."""
        general = {
            "command": command,
            "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "versions": {name: _version(name) for name in PACKAGES},
            "device": jax.devices()[0].device_kind,
            "num_devices": jax.device_count(),
            "mesh": dict(mesh.shape),
            "status": "running",
        }
        before = {name: value for name, value in self.read().items() if name != "error"}
        write_json(self.run, before | general | facts)

    def write_report(self) -> str:
        """Write the page of the run so far; return where it is, or why there is none."""
        try:
            return f"see {write_report(self.workdir)}"
        except (BertJaxError, OSError) as error:  # a page is not worth a run
            return f"no report could be written ({error})"

    def set_status(self, status: str, **facts: Any) -> None:
        """Note that the run is "running", "stopped", "finished" or "failed", and what else is."""
        write_json(self.run, self.read() | {"status": status} | facts)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
