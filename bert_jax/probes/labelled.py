"""Sentences that have a label: what the linear probe is fitted to and scored on."""

from collections import Counter
from dataclasses import dataclass

from bert_jax.errors import DataError
from bert_jax.probes.tables import read_table

_COLUMNS = ("task", "label", "sentence")
_LEAST = 2  # sentences of a label: one to fit to when another is held out


@dataclass(frozen=True)
class Labelled:
    """A sentence and its label in a task."""

    task: str
    label: str
    text: str
    place: str  # file and line


def read_labelled(path: str) -> list[Labelled]:
    """Read sentences from a file of three columns, task, label, sentence; "builtin" is ours.

    Raises:
        DataError: there is no such file, it has no sentences, a line is not one or says what
            another one says, or a task cannot be learnt from it.
    """
    sentences: dict[tuple[str, str], Labelled] = {}
    for place, (task, label, text) in read_table(path, "labelled.tsv", _COLUMNS):
        found = sentences.setdefault((task, text), Labelled(task, label, text, place))
        if found.place != place:
            raise DataError(
                f"{place}: {text!r} is in task {task!r} at {found.place} too; leave one out, or "
                "it would be fitted to and held out"
            )
    counts: dict[str, Counter[str]] = {}
    for (task, _), sentence in sentences.items():
        counts.setdefault(task, Counter())[sentence.label] += 1
    for task, labels in counts.items():
        rarest = min(labels, key=labels.__getitem__)
        if len(labels) < 2 or labels[rarest] < _LEAST:
            raise DataError(
                f"{path}: task {task!r} has {labels[rarest]} sentences of label {rarest!r} and "
                f"{len(labels)} labels; wants {_LEAST} of each label at least, and 2 labels"
            )
    return list(sentences.values())
