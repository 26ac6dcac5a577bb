"""Minimal pairs: two sentences that differ in little, of which one is not said."""

from dataclasses import dataclass

from bert_jax.errors import DataError
from bert_jax.probes.tables import read_table

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
    pairs = []
    for place, (phenomenon, good, bad) in read_table(path, "pairs.tsv", _COLUMNS):
        if good == bad:
            raise DataError(
                f"{place}: wants a bad sentence that differs from the good one, {good!r}"
            )
        pairs.append(Pair(phenomenon, good, bad, place))
    return pairs
