"""Options of `sbatch` from the command line, as submitit takes them."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from bert_jax.errors import ConfigError

_LISTS = ("setup", "teardown", "srun_args")  # of submitit; each time they are given adds one
_WORDS = {"true": True, "false": False}
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<fields>\d+(?::\d+){0,2})")


def read_options(texts: Sequence[str], known: Collection[str]) -> dict[str, Any]:
    """Read options by their names in submitit, which are those of sbatch.

    Args:
        texts: "partition=gpu", "cpus-per-task=8", "setup=module load cuda".
        known: the names.

    Raises:
        ConfigError: an option is none, is given twice, or its value cannot be.
    """
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.replace("-", "_")
        if not equals:
            raise ConfigError(f"--slurm {text}: wants NAME=VALUE, as in partition=gpu")
        if name not in known:
            raise ConfigError(
                f"--slurm {text}: no such option of sbatch in submitit; there are "
                f"{', '.join(sorted(known))}. Others sbatch reads from the environment, "
                "as in SBATCH_RESERVATION=NAME"
            )
        if name in _LISTS:
            options.setdefault(name, []).append(value)
        elif name in options:
            raise ConfigError(f"--slurm {text}: given twice")
        else:
            options[name] = _minutes(text, value) if name == "time" else _plain(value)
    return options


def _plain(value: str) -> int | bool | str:
    return int(value) if value.isdecimal() else _WORDS.get(value.lower(), value)


def _minutes(option: str, text: str) -> int:
    """Read a time as sbatch writes it, in whole minutes.

    That is minutes, minutes:seconds, hours:minutes:seconds, and behind days and a dash hours,
    hours:minutes or hours:minutes:seconds.
    """
    match = _TIME.fullmatch(text)
    if not match:
        raise ConfigError(f"--slurm {option}: wants minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS")
    fields = [int(field) for field in match["fields"].split(":")]
    if match["days"] is None and len(fields) < 3:
        fields = [0, *fields]
    hours, minutes, seconds = (*fields, 0, 0)[:3]
    total = 60 * (24 * int(match["days"] or 0) + hours) + minutes + -(-seconds // 60)
    if total < 1:
        raise ConfigError(f"--slurm {option}: wants a minute or more")
    return total
