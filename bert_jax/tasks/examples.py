"""What readers give, and what a model is fed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Example:
    """A text, or a pair, with its class or value.

    Attributes:
        place: where it stands, for messages: "dev.tsv:17".
        text: the text, or the first of the pair.
        text_pair: the second, None where there is none.
        label: a class by name, or a value; None where it is hidden.
    """

    place: str
    text: str
    text_pair: str | None
    label: str | float | None


@dataclass(frozen=True)
class TaggedSentence:
    """Words with a tag each; `tags` is None where they are hidden."""

    place: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None


@dataclass(frozen=True)
class Answer:
    """An answer's text and the character of the context at which it begins, -1 if not known."""

    text: str
    start: int


@dataclass(frozen=True)
class Question:
    """A question to a text; `impossible` where the text does not answer it."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...]
    impossible: bool


@dataclass(frozen=True)
class Features:
    """Rows of token ids, of any lengths, with what is to be predicted.

    Attributes:
        input_ids: [CLS] and [SEP] included, no padding.
        token_type_ids: 0 for the first segment, 1 for the second.
        rows: the example each row belongs to [N].
        targets: by name, an entry a row; empty where they are hidden.
    """

    input_ids: list[list[int]]
    token_type_ids: list[list[int]]
    rows: np.ndarray
    targets: dict[str, np.ndarray | list[list[int]]] = field(default_factory=dict)


def fingerprint(features: Mapping[str, Features], labels: Sequence[str]) -> str:
    """Give the sha256 over all that a model sees of a task: rows, targets, names of classes."""
    digest = hashlib.sha256(repr(tuple(labels)).encode())
    for split, of_split in sorted(features.items()):
        digest.update(repr((split, len(of_split.input_ids))).encode())
        for lists in (of_split.input_ids, of_split.token_type_ids):
            _update(digest, lists)
        for name, values in sorted(of_split.targets.items()):
            digest.update(name.encode())
            if isinstance(values, list):
                _update(digest, values)
            else:
                digest.update(values.tobytes())
    return digest.hexdigest()


def _update(digest: "hashlib._Hash", lists: list[list[int]]) -> None:
    digest.update(np.array([len(values) for values in lists], np.int64).tobytes())
    digest.update(np.array([value for values in lists for value in values], np.int64).tobytes())
