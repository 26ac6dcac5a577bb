"""Entity scores, counted by seqeval: an entity is right if its words and its type are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bert_jax.tasks.schemes import find_entities


@dataclass(frozen=True)
class EntityScore:
    """Shares from 0 to 1; 0 where nothing was predicted, or nothing was there."""

    precision: float
    recall: float
    f1: float
    entities: int  # in the reference


def score_entities(
    tags: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    strict_scheme: str | None = None,
) -> tuple[EntityScore, dict[str, EntityScore]]:
    """Compare predicted tags with the reference, over all entities and for each type.

    Predictions may break their scheme, as a linear head's do. Unless told otherwise they are read
    as the scorer of CoNLL-2000 to 2003 does, conlleval, by which published scores are counted: an
    I after O begins an entity. Tags that keep to the scheme have the same scores in both ways.

    Args:
        tags: the reference, in IOB2 or IOBES.
        predicted: as many tags, in the same scheme.
        strict_scheme: 'iob2' or 'iobes': a prediction that is not spelt by it is no entity.
    """
    # With it comes scikit-learn, which takes long to import.
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2, IOBES

    if not any(map(find_entities, tags)):  # seqeval would average nothing
        return EntityScore(0.0, 0.0, 0.0, 0), {}
    options: dict[str, Any] = {"output_dict": True, "zero_division": 0}
    if strict_scheme:
        options |= {"mode": "strict", "scheme": {"iob2": IOB2, "iobes": IOBES}[strict_scheme]}
    report: Any = classification_report([*map(list, tags)], [*map(list, predicted)], **options)
    scores = {
        type: EntityScore(
            precision=float(row["precision"]),
            recall=float(row["recall"]),
            f1=float(row["f1-score"]),
            entities=int(row["support"]),
        )
        for type, row in report.items()
    }
    total = scores["micro avg"]
    averages = ("micro avg", "macro avg", "weighted avg")
    return total, {type: score for type, score in scores.items() if type not in averages}
