"""Minimal pairs: two sentences that differ in little, of which one is not said."""

from dataclasses import dataclass
from pathlib import Path

from bert_jax.data.lines import ReadReport
from bert_jax.errors import DataError
from bert_jax.tasks.tabular import read_rows

BUILTIN = Path(__file__).with_name("pairs.tsv")
_COLUMNS = ("phenomenon", "good", "bad")


@dataclass(frozen=True)
class Pair:
    """A sentence, one that is not said, and what tells them apart."""

    phenomenon: str
    good: str
    bad: str
    place: str  # file and line


def read_pairs(path: str) -> list[Pair]:
    """Read pairs from a file of three columns, phenomenon, good, bad; "builtin" is ours.

    Raises:
        DataError: there is no such file, it has no pairs, or a line is not one.
    """
    file = BUILTIN if path == "builtin" else Path(path)
    pairs = []
    for place, row in read_rows(file, ReadReport(), format="tsv", header=_COLUMNS):
        phenomenon, good, bad = (row[name].strip() for name in _COLUMNS)
        if not (phenomenon and good and bad) or good == bad:
            raise DataError(
                f"{place}: wants a phenomenon, a good sentence and a bad one that differs, "
                f"got {phenomenon!r}, {good!r}, {bad!r}"
            )
        pairs.append(Pair(phenomenon, good, bad, place))
    if not pairs:
        raise DataError(f"{file}: has no pairs; wants lines of phenomenon, tab, good, tab, bad")
    return pairs
