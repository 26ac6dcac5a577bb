"""A tag for each word, as a task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.tasks.bootstrap import bootstrap_samples
from bert_jax.tasks.entities import score_entities
from bert_jax.tasks.examples import Features, TaggedSentence
from bert_jax.tasks.tagging import find_classes, tagging_features, tags_of_words

SCHEME = "iob2"  # in which tags are learnt and predicted, whatever the files have
BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class TaggingTask:
    """See `tasks.task.Task`."""

    name: str
    head: str
    sentences: dict[str, list[TaggedSentence]]
    features: dict[str, Features]
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    primary_metric: str = "f1"
    selects_by: str = "validation"

    @property
    def scored_splits(self) -> tuple[str, ...]:
        """The splits whose tags are known, "train" left out."""
        return tuple(s for s, f in self.features.items() if "tags" in f.targets and s != "train")

    @property
    def trivial_score(self) -> float:
        """The score of finding no entity at all."""
        return 0.0

    def settled(self, scores: Sequence[np.ndarray]) -> "TaggingTask":
        """Give the task itself: nothing is decided on held-out rows."""
        return self

    def score(self, split: str, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Compute precision, recall and F1 of entities, over all and for each type."""
        tags, predicted = self._tags(split), self._predicted(split, scores)
        total, by_type = score_entities(tags, predicted)
        words = [
            a == b
            for of_sentence in zip(tags, predicted, strict=True)
            for a, b in zip(*of_sentence, strict=True)
        ]
        return {
            "f1": total.f1,
            "precision": total.precision,
            "recall": total.recall,
            "accuracy": float(np.mean(words)),
            **{f"f1_{type}": score.f1 for type, score in by_type.items()},
        }

    def interval(self, split: str, scores: Sequence[np.ndarray]) -> tuple[float, float]:
        """Bootstrap the F1 over sentences."""
        tags, predicted = self._tags(split), self._predicted(split, scores)
        found = [
            score_entities([tags[i] for i in rows], [predicted[i] for i in rows])[0].f1
            for rows in bootstrap_samples(len(tags), BOOTSTRAP_SEED, resamples=100)
        ]
        low, high = np.percentile(found, (2.5, 97.5))
        return float(low), float(high)

    def predictions(self, split: str, scores: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
        """Say for each sentence its words, tags and what was predicted."""
        found = self._predicted(split, scores)
        for sentence, tags in zip(self.sentences[split], found, strict=True):
            yield {
                "place": sentence.place,
                "words": sentence.words,
                "tags": sentence.tags,
                "prediction": tags,
            }

    def files(self, split: str, scores: Sequence[np.ndarray]) -> dict[str, str]:
        """Give words and predicted tags in CoNLL form."""
        sentences = zip(self.sentences[split], self._predicted(split, scores), strict=True)
        blocks = (
            "".join(f"{word}\t{tag}\n" for word, tag in zip(sentence.words, tags, strict=True))
            for sentence, tags in sentences
        )
        return {f"{split}_tags.conll": "\n".join(blocks)}

    def _tags(self, split: str) -> list[tuple[str, ...]]:
        return [sentence.tags or () for sentence in self.sentences[split]]

    def _predicted(self, split: str, scores: Sequence[np.ndarray]) -> list[list[str]]:
        """Turn scores of tokens [T, C], or paths of words [W], into tags of words."""
        features = self.features[split]
        starts = features.targets["word_starts"]
        paths = [
            row if row.ndim == 1 else row[places].argmax(axis=1)
            for row, places in zip(scores, starts, strict=True)
        ]
        return tags_of_words(features, paths, self.sentences[split], self.labels)


def tagging_task(
    name: str,
    head: str,
    sentences: dict[str, list[TaggedSentence]],
    notes: tuple[str, ...],
    tokenizer: Tokenizer,
    max_seq_length: int,
) -> TaggingTask:
    """Encode all splits; the classes are those of the training data.

    Raises:
        DataError: there is no entity to train on, or a tag elsewhere was not met in training.
    """
    classes = find_classes(sentences["train"], SCHEME)
    features = {
        split: tagging_features(of_split, tokenizer, classes, max_seq_length)
        for split, of_split in sentences.items()
    }
    return TaggingTask(name, head, sentences, features, classes, notes)
