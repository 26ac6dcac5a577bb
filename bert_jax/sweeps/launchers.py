"""The launchers, by name."""

from collections.abc import Sequence
from pathlib import Path

from bert_jax.errors import ConfigError
from bert_jax.sweeps.grid import MOST_RUNS
from bert_jax.sweeps.launching import Launcher
from bert_jax.sweeps.local import Local
from bert_jax.sweeps.slurm import Slurm


def make_launcher(
    name: str, folder: Path, jobs: int, options: Sequence[str], *, chosen: bool = False
) -> Launcher:
    """Make what starts the runs of a sweep.

    Args:
        name: "local" or "slurm".
        folder: the sweep's.
        jobs: runs at once.
        options: of Slurm, "NAME=VALUE".
        chosen: whether runs are chosen by how others ended, so that none may be handed over early.

    Raises:
        ConfigError: there is none of that name, or it cannot be here.
    """
    if name == "slurm":
        return Slurm(folder / "slurm", jobs, options, at_once=jobs if chosen else MOST_RUNS)
    if name != "local":
        raise ConfigError(f"--launcher={name}: wants local or slurm")
    if options:
        raise ConfigError(f"--slurm {options[0]}: is for --launcher=slurm")
    return Local(jobs)
