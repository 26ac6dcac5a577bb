"""The launchers, by name."""

from collections.abc import Sequence
from pathlib import Path

from bert_jax.errors import ConfigError
from bert_jax.sweeps.launching import Launcher
from bert_jax.sweeps.local import Local
from bert_jax.sweeps.slurm import Slurm


def make_launcher(name: str, folder: Path, jobs: int, options: Sequence[str]) -> Launcher:
    """Make what starts the runs of a sweep.

    Args:
        name: "local" or "slurm".
        folder: the sweep's.
        jobs: runs at once.
        options: of Slurm, "NAME=VALUE".

    Raises:
        ConfigError: there is none of that name, or it cannot be here.
    """
    if name == "slurm":
        return Slurm(folder / "slurm", jobs, options)
    if name != "local":
        raise ConfigError(f"--launcher={name}: wants local or slurm")
    if options:
        raise ConfigError(f"--slurm {options[0]}: is for --launcher=slurm")
    return Local(jobs)
