"""A grid on the command line: fields, the values of each, and every combination."""

import itertools
import math
import re
from collections.abc import Sequence

from bert_jax.errors import ConfigError

MOST_RUNS = 1000  # of a sweep; more is a slip, or too many for one machine or one Slurm array
_RANGE = re.compile(r"(-?\d+):(-?\d+)(?::(-?\d+))?")


def read_grid(texts: Sequence[str]) -> list[dict[str, str]]:
    """Combine grids; the last field varies fastest.

    Args:
        texts: "optimizer.learning_rate=1e-4,3e-4"; "seed=0:5" for 0 to 4, "seed=0:10:2" in twos.

    Returns:
        What each run overrides: the value of each field as text.

    Raises:
        ConfigError: a grid has no field or no value, is given twice, or gives too many runs.
    """
    grids: dict[str, list[str]] = {}
    for text in texts:
        field, equals, values = text.partition("=")
        if not field or not equals:
            raise ConfigError(f"--grid {text}: wants FIELD=VALUE,VALUE or FIELD=FIRST:END")
        if field in grids:
            raise ConfigError(f"--grid {text}: {field} has a grid already; give its values in one")
        grids[field] = _values(text, values)
    runs = math.prod(map(len, grids.values()))
    if runs > MOST_RUNS:
        sizes = " x ".join(f"{len(values)} of {field}" for field, values in grids.items())
        raise ConfigError(f"--grid: {sizes} are {runs:,} runs; a sweep has at most {MOST_RUNS:,}")
    return [dict(zip(grids, values, strict=True)) for values in itertools.product(*grids.values())]


def _values(grid: str, text: str) -> list[str]:
    if match := _RANGE.fullmatch(text):
        first, end, step = (int(part) if part else 1 for part in match.groups())
        if step == 0:
            raise ConfigError(f"--grid {grid}: a range cannot go in steps of 0")
        numbers = list(itertools.islice(range(first, end, step), MOST_RUNS + 1))
        if not numbers:
            raise ConfigError(f"--grid {grid}: the range is empty; its end is not part of it")
        if len(numbers) > MOST_RUNS:
            raise ConfigError(f"--grid {grid}: a sweep has at most {MOST_RUNS:,} runs")
        return [str(number) for number in numbers]
    values = split(text)
    if not all(values):
        what = "a value is empty" if any(values) else "no values"
        raise ConfigError(f"--grid {grid}: {what}; wants FIELD=VALUE,VALUE")
    return values


def split(text: str) -> list[str]:
    """Split at commas that stand in no brackets: a value may be a list itself."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
