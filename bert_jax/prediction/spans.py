"""What a model finds inside texts: the answer to a question, a tag for each word."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import jax
from jaxtyping import Array, Float, Int

from bert_jax.model.crf import best_tags
from bert_jax.objectives.finetuning import TaskBatch
from bert_jax.prediction.lines import Line
from bert_jax.prediction.output import rounded
from bert_jax.prediction.scores import Answer, Scorer, apply
from bert_jax.tasks.answers import AnswerConfig, find_answers
from bert_jax.tasks.schemes import allowed_transitions
from bert_jax.tasks.tagging import tagging_features, tags_of_words
from bert_jax.tasks.tagging_task import SCHEME
from bert_jax.tasks.windows import WindowConfig, make_windows

_CANDIDATES = 5  # answers to a question that are shown
# In tokens, as in training; less where a row is short.
_LONGEST_QUESTION = 64
_STRIDE = 128


def answer_question(scorer: Scorer) -> Answer:
    """Give the best text of the context, "" where the odds of no answer are above the threshold."""
    loaded, threshold = scorer.loaded, scorer.options.null_threshold
    length = scorer.max_seq_length
    cut = WindowConfig(length, min(_STRIDE, length // 3), min(_LONGEST_QUESTION, length // 2))
    wanted = AnswerConfig(may_be_impossible=threshold is not None)

    @jax.jit
    def forward(params: Any, batch: TaskBatch) -> Float[Array, "B T 2"]:
        return apply(loaded.module, params, batch)

    def answer(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
        questions = [line.as_question() for line in lines]
        windows = make_windows(questions, loaded.tokenizer, cut, training=False)
        scores = scorer.scores(forward, windows.features)
        starts, ends = [row[:, 0] for row in scores], [row[:, 1] for row in scores]
        found = find_answers(questions, windows, starts, ends, wanted)
        for question, prediction in zip(questions, found, strict=True):
            best = prediction.best_text()
            yield {
                "question": question.question,
                "prediction": best if threshold is None else prediction.text(threshold),
                "null_odds": rounded(prediction.null_odds),
                "candidates": [
                    {
                        name: value if name == "text" else rounded(value)
                        for name, value in asdict(candidate).items()
                    }
                    for candidate in prediction.candidates[:_CANDIDATES]
                ],
            }

    return answer


def tag(scorer: Scorer) -> Answer:
    """Give a tag for each word; of a chain of tags, the best path that the scheme allows."""
    loaded = scorer.loaded

    @jax.jit
    def forward(params: Any, batch: TaskBatch) -> Float[Array, "B T C"] | Int[Array, "B W"]:
        scores = apply(loaded.module, params, batch)
        if loaded.kind == "token_classification":
            return scores
        starts, allowed = batch.targets["word_starts"], allowed_transitions(loaded.labels, SCHEME)
        return best_tags(scores.chain, scores.emissions, starts, allowed)

    def answer(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
        sentences = [line.as_sentence() for line in lines]
        features = tagging_features(
            sentences, loaded.tokenizer, loaded.labels, scorer.max_seq_length
        )
        starts = features.targets["word_starts"]
        paths = [
            row if row.ndim == 1 else row[places].argmax(axis=1)
            for row, places in zip(scorer.scores(forward, features), starts, strict=True)
        ]
        found = tags_of_words(features, paths, sentences, loaded.labels)
        for sentence, tags in zip(sentences, found, strict=True):
            yield {"words": sentence.words, "prediction": tags}

    return answer
