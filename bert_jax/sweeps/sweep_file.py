"""A sweep as a Python file: a generator of what each run overrides."""

import importlib.util
import itertools
import traceback
from pathlib import Path
from typing import Any

from bert_jax.errors import ConfigError
from bert_jax.sweeps.grid import MOST_RUNS
from bert_jax.sweeps.overrides import as_text

_WANTED = 'def sweep(): yield {"optimizer.learning_rate": 1e-4, "seed": 0}'


def read_sweep_file(path: Path) -> list[dict[str, str]]:
    """Run a file's `sweep` to its end.

    The file is the user's own code, as a config file is.

    Returns:
        What each run overrides: the value of each field as text, as a flag would have it.

    Raises:
        ConfigError: the file fails, with the line, or yields something else.
    """
    where = f"--sweep={path}"
    if not path.is_file():
        raise ConfigError(f"{where}: there is no such file here")
    try:
        spec = importlib.util.spec_from_file_location("bert_jax_sweep_file", path)
        if spec is None or spec.loader is None:
            raise ConfigError(f"{where}: not a Python file; its name wants to end in .py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        generator = getattr(module, "sweep", None)
        if not callable(generator):
            raise ConfigError(f"{where}: has no function `sweep`; wants {_WANTED}")
        made: Any = generator()
        if not hasattr(made, "__iter__"):
            raise ConfigError(f"{where}: sweep() gave {made!r}; wants {_WANTED}")
        found = list(itertools.islice(made, MOST_RUNS + 1))
    except ConfigError:
        raise
    except Exception as error:  # it is the user's own code: anything can come out of it
        raise ConfigError(f"{where}{_line(error, path)}: {_reason(error)}") from error
    if not found:
        raise ConfigError(f"{where}: sweep() yields no run")
    if len(found) > MOST_RUNS:
        raise ConfigError(f"{where}: sweep() yields more than {MOST_RUNS:,} runs")
    return [_overrides(run, f"{where}: run {number}") for number, run in enumerate(found, 1)]


def _overrides(run: Any, where: str) -> dict[str, str]:
    if not isinstance(run, dict) or not run:
        raise ConfigError(f"{where} is {run!r}; wants fields and values, as in {_WANTED}")
    for field, value in run.items():
        if not isinstance(field, str):
            raise ConfigError(f"{where}: {field!r} is no name of a field")
        if not isinstance(value, str | int | float | bool | tuple | list | dict):
            raise ConfigError(f"{where}: {field}={value!r} is no value that a flag could have")
    return {field: as_text(value) for field, value in run.items()}


def _line(error: Exception, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _reason(error: Exception) -> str:
    text = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
