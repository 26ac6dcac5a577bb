"""Whether every run of a sweep can begin, found out before the first does."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bert_jax import cli
from bert_jax.errors import ConfigError
from bert_jax.sweeps.overrides import flatten, overridden


def check_runs(
    asked: Sequence[Mapping[str, str]],
    *,
    source: str,
    values: Mapping[str, Any],
    common: Mapping[str, Any],
    read: Callable[[str, str], Any],
    build: Callable[[dict[str, Any]], object],
) -> tuple[dict[str, Any], ...]:
    """Read what each run overrides, and build its config.

    Args:
        asked: what each run overrides, as text.
        source: where that stands, for errors: "--grid".
        values: the config of all runs.
        common: what the command line overrides for all.
        read: gives the value of a field from text, as the run's own command line will; raises
            ValueError.
        build: builds a run's config, as the run will; raises ConfigError.

    Raises:
        ConfigError: a field is unknown or fixed for all, or a value cannot be.
    """
    known = flatten(values)
    found: dict[tuple[str, str], Any] = {}
    for field, text in dict.fromkeys(pair for run in asked for pair in run.items()):
        if field not in known:
            raise ConfigError(f"{source} {field}: no such field{cli.nearest(field, known)}")
        if field in common:
            raise ConfigError(
                f"{source} {field}: --config.{field}={common[field]} fixes it for all runs; "
                "leave one of the two out"
            )
        try:
            found[field, text] = read(field, text)
        except ValueError as error:
            raise ConfigError(f"{source} {field}={text}: {error}") from error
    runs = []
    for run in asked:
        overrides = {field: found[field, text] for field, text in run.items()}
        try:
            build(overridden(values, overrides))
        except ConfigError as error:
            words = " ".join(f"{field}={text}" for field, text in run.items())
            raise ConfigError(f"{source} {words}: {error}") from error
        runs.append(overrides)
    return tuple(runs)
