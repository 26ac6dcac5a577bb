"""How tags spell entities: IOB1, IOB2 and IOBES, read, written and checked.

    words    Ada    Byron  met  Charles  Ada
    iob1     I-PER  I-PER  O    I-PER    B-PER   B only between neighbours of one type
    iob2     B-PER  I-PER  O    B-PER    B-PER   B begins every entity; also called BIO
    iobes    B-PER  E-PER  O    S-PER    S-PER   E ends an entity, S is one of a single word

(Ramshaw and Marcus 1995; Tjong Kim Sang and Veenstra 1999; Ratinov and Roth 2009.)
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

# The prefixes of each scheme, in the order in which classes are numbered.
SCHEMES = {"iob1": "BI", "iob2": "BI", "iobes": "BIES"}


class Entity(NamedTuple):
    """The words from `start` up to `end`, not included."""

    start: int
    end: int
    type: str


class Allowed(NamedTuple):
    """Which classes may begin a sentence [C], follow one another [C, C] and end it [C]."""

    start: np.ndarray
    between: np.ndarray
    end: np.ndarray


def split_tag(tag: str) -> tuple[str, str]:
    """Return prefix and type: "B-creative-work" gives "B" and "creative-work"."""
    prefix, _, type = tag.partition("-")
    return prefix, type


def is_tag(tag: str, scheme: str) -> bool:
    """Tell whether a tag is one of the scheme: O, B-type, or B alone where there are no types."""
    prefix, dash, type = tag.partition("-")
    return tag == "O" or (prefix in tuple(SCHEMES[scheme]) and (bool(type) or not dash))


def find_entities(tags: Sequence[str]) -> list[Entity]:
    """Read tags of any scheme; broken ones as the CoNLL scorer does.

    An I or E that continues nothing begins an entity.
    """
    found: list[Entity] = []
    start, type = 0, None  # of the entity that is open
    for i, tag in enumerate([*tags, "O"]):
        prefix, own = split_tag(tag)
        if type is not None and not (prefix in "IE" and own == type):
            found.append(Entity(start, i, type))
            type = None
        if prefix != "O" and type is None:
            start, type = i, own
        if prefix in "ES":
            found.append(Entity(start, i + 1, own))
            type = None
    return found


def write_tags(entities: Iterable[Entity], length: int, scheme: str) -> list[str]:
    """Write the tags of a sentence of `length` words; entities in order, without overlap."""
    tags = ["O"] * length
    previous = None
    for entity in entities:
        start, end, type = entity
        touching = previous is not None and previous.end == start and previous.type == type
        prefixes = ["I"] * (end - start)
        if scheme != "iob1" or touching:
            prefixes[0] = "B"
        if scheme == "iobes":
            prefixes[-1] = "S" if end - start == 1 else "E"
        tags[start:end] = [f"{prefix}-{type}" if type else prefix for prefix in prefixes]
        previous = entity
    return tags


def convert_tags(tags: Sequence[str], scheme: str) -> list[str]:
    """Write tags of any scheme in this one; broken ones come out whole."""
    return write_tags(find_entities(tags), len(tags), scheme)


@lru_cache(maxsize=4096)  # few pairs, each of them met a million times
def may_follow(before: str, tag: str, scheme: str) -> bool:
    """Tell whether a tag may come after another; O stands for both ends of a sentence."""
    (prefix_before, type_before), (prefix, type) = split_tag(before), split_tag(tag)
    inside = prefix_before in "BI" and type_before == type
    if not is_tag(tag, scheme):
        return False
    if scheme == "iob1":
        return prefix != "B" or inside
    if scheme == "iob2":
        return prefix != "I" or inside
    return inside if prefix in "IE" else prefix_before not in "BI"


def find_break(tags: Sequence[str], scheme: str) -> int | None:
    """Return the first word whose tag breaks the scheme; the number of words where the end does."""
    for i, (before, tag) in enumerate(zip(["O", *tags], [*tags, "O"], strict=True)):
        if not may_follow(before, tag, scheme):
            return i
    return None


def detect_scheme(sentences: Iterable[Sequence[str]]) -> str:
    """Return the scheme that the fewest sentences break, IOB2 where two are as good."""
    broken = dict.fromkeys(("iob2", "iob1", "iobes"), 0)
    for tags in sentences:
        for scheme in broken:
            broken[scheme] += find_break(tags, scheme) is not None
    return min(broken, key=broken.__getitem__)


def classes_of(types: Iterable[str], scheme: str) -> tuple[str, ...]:
    """Return every tag for these types, O first: rare ones too, met in training or not."""
    prefixes = SCHEMES[scheme]
    return ("O", *(f"{p}-{type}" if type else p for type in sorted(set(types)) for p in prefixes))


def allowed_transitions(classes: Sequence[str], scheme: str) -> Allowed:
    """Tabulate `may_follow` over classes, for a decoder that keeps to the scheme."""
    return Allowed(
        np.array([may_follow("O", tag, scheme) for tag in classes]),
        np.array([[may_follow(before, tag, scheme) for tag in classes] for before in classes]),
        np.array([may_follow(tag, "O", scheme) for tag in classes]),
    )
