"""What a search may choose from: for each field a range of numbers, or some values."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bert_jax.errors import ConfigError
from bert_jax.report.files import as_number
from bert_jax.report.sweep.ranking import SEED
from bert_jax.sweeps.grid import split
from bert_jax.sweeps.overrides import as_text

# Reads runs from text and builds their configs, as `checking.check_runs` with all else settled.
Check = Callable[[Sequence[Mapping[str, str]]], Sequence[Mapping[str, Any]]]

_WANTED = "FIELD=LOW..HIGH, FIELD=LOW..HIGH:log or FIELD=VALUE,VALUE"
_NUMBER = r"[-+]?(?:\d+|\d*\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})(?P<log>:log)?")
_FIGURES = 3  # to which a range is told apart, about; more say nothing and make long names


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both among them; `whole` ones where the field's are."""

    low: float
    high: float
    log: bool  # equal chances for equal ratios, not for equal differences
    whole: bool

    @property
    def size(self) -> float:
        """How many values it has."""
        return self.high - self.low + 1 if self.whole else math.inf

    def place(self, value: Any) -> float | None:
        """Return where a value stands in it, None outside."""
        number = as_number(value)
        if number is None or not self.low <= number <= self.high:
            return None
        return number

    def rounded(self, place: float) -> float:
        """Leave out figures that say nothing."""
        if self.whole:
            return int(place)
        width = math.log(self.high / self.low) if self.log else self.high - self.low
        decimals = _FIGURES - math.floor(math.log10(width))
        if self.log:
            rounded = float(f"{place:.{max(_FIGURES, decimals)}g}")
        else:
            rounded = round(place, decimals)
        return min(max(rounded, self.low), self.high)

    def text(self, place: float) -> str:
        """Write the value at a place."""
        return as_text(int(place) if self.whole else place)


@dataclass(frozen=True)
class Choice:
    """Some values, between which nothing is; the place of one is its number."""

    texts: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def size(self) -> float:
        """How many values it has."""
        return len(self.values)

    def place(self, value: Any) -> float | None:
        """Return where a value stands in it, None if it is none of them."""
        return next((i for i, one in enumerate(self.values) if _same(one, value)), None)

    def rounded(self, place: float) -> float:
        """Return the place as it is."""
        return place

    def text(self, place: float) -> str:
        """Write the value at a place."""
        return self.texts[int(place)]


@dataclass(frozen=True)
class Space:
    """The fields of a search."""

    fields: Mapping[str, Range | Choice]

    @property
    def size(self) -> float:
        """How many settings it has."""
        return math.prod(field.size for field in self.fields.values())

    def places(self, overrides: Mapping[str, Any]) -> dict[str, float] | None:
        """Return where a run stands in it, None if that is outside."""
        if overrides.keys() != self.fields.keys():
            return None
        found = {name: field.place(overrides[name]) for name, field in self.fields.items()}
        places = {name: place for name, place in found.items() if place is not None}
        return places if len(places) == len(found) else None

    def rounded(self, places: Mapping[str, float]) -> dict[str, float]:
        """Return a place whose values are short to write."""
        return {name: field.rounded(places[name]) for name, field in self.fields.items()}

    def texts(self, places: Mapping[str, float]) -> dict[str, str]:
        """Write the values at a place."""
        return {name: field.text(places[name]) for name, field in self.fields.items()}

    def as_json(self) -> dict[str, Any]:
        """Describe it for those who read the sweep's file."""
        return {
            name: {"values": list(field.values)}
            if isinstance(field, Choice)
            else {"low": field.low, "high": field.high, "log": field.log}
            for name, field in self.fields.items()
        }


def read_space(texts: Sequence[str], check: Check) -> Space:
    """Read the fields of a search from the command line.

    Args:
        texts: "optimizer.learning_rate=1e-5..1e-3:log"; "train.batch_size=16,32,64".
        check: whether a run can be; it is asked for each end of a range and each value, beside
            the first of the other fields.

    Raises:
        ConfigError: a text is none of these, a range is empty, or a value cannot be.
    """
    asked: dict[str, list[str]] = {}
    ranges: dict[str, bool] = {}  # whether they are logarithmic
    for text in texts:
        field, equals, values = text.partition("=")
        where = f"--search {text}"
        if not field or not equals:
            raise ConfigError(f"{where}: wants {_WANTED}")
        if field in asked:
            raise ConfigError(f"{where}: {field} is searched already; give its values in one")
        if field == SEED:
            raise ConfigError(
                f"{where}: a search would settle on the luckiest seed; leave it out, and repeat "
                f"the best by --grid {SEED}=0:5"
            )
        if match := _RANGE.fullmatch(values):
            asked[field] = [match["low"], match["high"]]
            ranges[field] = match["log"] is not None
            _check_range(where, float(match["low"]), float(match["high"]), ranges[field])
        else:
            asked[field] = split(values)
            if not all(asked[field]) or len(asked[field]) < 2:
                raise ConfigError(f"{where}: wants two values or more, or a range; {_WANTED}")
    first = {field: values[0] for field, values in asked.items()}
    checked = iter(check([first | {f: text} for f, values in asked.items() for text in values]))
    values = {field: [next(checked)[field] for _ in texts] for field, texts in asked.items()}
    return Space(
        {
            field: _range(field, values[field], ranges[field])
            if field in ranges
            else _choice(field, asked[field], values[field])
            for field in asked
        }
    )


def _check_range(where: str, low: float, high: float, log: bool) -> None:
    if low == high:
        raise ConfigError(f"{where}: the range has one value; set it by --config")
    if low > high:
        raise ConfigError(f"{where}: the range is empty; wants the lower end first")
    if log and low <= 0:
        raise ConfigError(f"{where}: on a logarithmic scale the lower end wants to be above 0")


def _range(field: str, ends: Sequence[Any], log: bool) -> Range:
    low, high = ends
    if as_number(low) is None or as_number(high) is None:
        raise ConfigError(
            f"--search {field}={as_text(low)}..{as_text(high)}: the field's values are no numbers; "
            "wants FIELD=VALUE,VALUE"
        )
    return Range(low, high, log, whole=isinstance(low, int))


def _choice(field: str, texts: Sequence[str], values: Sequence[Any]) -> Choice:
    choice = Choice(tuple(texts), tuple(values))
    for number, value in enumerate(values):
        if choice.place(value) != number:
            raise ConfigError(f"--search {field}: has the value {as_text(value)} twice")
    return choice


def _same(one: Any, other: Any) -> bool:
    """Tell whether values are the same in JSON, which has no tuples."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
