"""Model classes of `transformers`: which of our kinds they are, and the names of their labels."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from bert_jax.errors import CheckpointError, ConfigError
from bert_jax.interop.layout import PARTS


class ModelClass(NamedTuple):
    """What a class is: its model type, our kind, the heads it has and whether it has a pooler."""

    model_type: str
    kind: str
    heads: tuple[str, ...]
    pooled: bool


_BERT, _PRELAYERNORM = "bert", "roberta-prelayernorm"
_WORDS, _NEXT = "masked_language_model", "next_sentence"
CLASSES = {
    "BertModel": ModelClass(_BERT, "encoder", (), True),
    "BertForPreTraining": ModelClass(_BERT, "pretraining", (_WORDS, _NEXT), True),
    "BertForMaskedLM": ModelClass(_BERT, "pretraining", (_WORDS,), False),
    "BertForNextSentencePrediction": ModelClass(_BERT, "pretraining", (_NEXT,), True),
    "BertForSequenceClassification": ModelClass(
        _BERT, "sequence_classification", ("classifier",), True
    ),
    "BertForTokenClassification": ModelClass(_BERT, "token_classification", ("classifier",), False),
    "BertForQuestionAnswering": ModelClass(_BERT, "question_answering", ("span",), False),
    "RobertaPreLayerNormModel": ModelClass(_PRELAYERNORM, "encoder", (), True),
    "RobertaPreLayerNormForMaskedLM": ModelClass(_PRELAYERNORM, "pretraining", (_WORDS,), False),
}
LABELLED = ("sequence_classification", "token_classification")


def read_kind(values: Mapping[str, Any], paths: Set[str], path: Path) -> str:
    """Take the kind from the class that config.json names; else from the heads in the file.

    A class unknown here is read as an encoder.

    Args:
        values: what config.json says.
        paths: our paths of the tensors in the file.
        path: config.json, for messages.
    """
    architectures = values.get("architectures") or []
    if not isinstance(architectures, list) or not all(isinstance(a, str) for a in architectures):
        raise CheckpointError(f"{path}: architectures={architectures!r}, wants a list of names")
    if architectures:
        known = CLASSES.get(architectures[0])
        return known.kind if known else "encoder"
    heads = {found.split("/")[0] for found in paths} - {"bert"}
    if "classifier" in heads and "bert/pooler/dense/kernel" not in paths:
        return "token_classification"
    return next((kind for kind, parts in PARTS.items() if heads & set(parts)), "encoder")


def find_class(model_type: str, kind: str, paths: Set[str]) -> str:
    """Return the class for a model of ours: the first of its kind whose heads are all there.

    Raises:
        ConfigError: there is none.
    """
    parts = {path.split("/")[0] for path in paths}
    for name, known in CLASSES.items():
        if known[:2] == (model_type, kind) and parts.issuperset(known.heads):
            return name
    raise ConfigError(
        f"transformers has no class for this {kind} model ({', '.join(sorted(parts))})"
    )


def has_part(name: str, path: str) -> bool:
    """Say whether a class has a place for the parameter at one of our paths."""
    if path.startswith("bert/pooler/"):
        return CLASSES[name].pooled
    return path.split("/")[0] in ("bert", *CLASSES[name].heads)


def read_labels(values: Mapping[str, Any], num_labels: int, path: Path) -> tuple[str, ...]:
    """Return the names of the classes, LABEL_0 and so on where config.json does not name them.

    Args:
        values: what config.json says.
        num_labels: how many there are where it is silent.
        path: config.json, for messages.
    """
    id2label = values.get("id2label")
    if id2label is None:
        return _numbered(num_labels)
    found = id2label if isinstance(id2label, dict) else {}
    labels = tuple(found.get(str(i)) for i in range(len(found)))
    named = tuple(label for label in labels if isinstance(label, str))
    if named and len(named) == len(labels):
        return named
    raise CheckpointError(f'{path}: id2label must give each of "0", "1", ... a name')


def describe_labels(labels: Sequence[str], num_labels: int) -> dict[str, Any]:
    """Return the fields of config.json that name the classes of a classifier.

    Raises:
        ConfigError: there are names, but not one for each class.
    """
    labels = tuple(labels) or _numbered(num_labels)
    if len(labels) != num_labels:
        raise ConfigError(f"got {len(labels)} labels for a classifier of {num_labels} classes")
    return {
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
    }


def _numbered(num_labels: int) -> tuple[str, ...]:
    return tuple(f"LABEL_{i}" for i in range(num_labels))
