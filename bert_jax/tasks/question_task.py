"""Answers to questions as spans of a text, as a task."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bert_jax.data.lines import Tally
from bert_jax.data.tokenizers import Tokenizer
from bert_jax.tasks.answers import AnswerConfig, Prediction, find_answers, prediction_files
from bert_jax.tasks.bootstrap import bootstrap_mean
from bert_jax.tasks.examples import Features, Question
from bert_jax.tasks.null_threshold import find_threshold
from bert_jax.tasks.squad import SquadReport
from bert_jax.tasks.squad_metric import score_answers, score_each
from bert_jax.tasks.windows import WindowConfig, Windows, make_windows

BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class QuestionTask:
    """See `tasks.task.Task`.

    Attributes:
        rule: of `squad_metric.RULES`.
        questions: by split.
        windows: what the model is fed, by split.
        answers: which spans are taken.
        null_threshold: odds of no answer above which there is none; None: searched on each split.
    """

    name: str
    rule: str
    questions: dict[str, list[Question]]
    windows: dict[str, Windows]
    answers: AnswerConfig
    notes: tuple[str, ...]
    head: str = "span"
    labels: tuple[str, ...] = ()
    null_threshold: float | None = None
    primary_metric: str = "f1"
    selects_by: str = "validation"

    @property
    def features(self) -> dict[str, Features]:
        """Rows by split."""
        return {split: windows.features for split, windows in self.windows.items()}

    @property
    def scored_splits(self) -> tuple[str, ...]:
        """The splits whose answers are known, "train" left out."""
        return tuple(
            split
            for split, questions in self.questions.items()
            if split != "train" and any(q.answers or q.impossible for q in questions)
        )

    @property
    def trivial_score(self) -> float | None:
        """The score of always saying that there is no answer, where that may be right."""
        if not self.answers.may_be_impossible:
            return None
        return 100 * float(np.mean([q.impossible for q in self.questions[self.selects_by]]))

    def settled(self, scores: Sequence[np.ndarray]) -> "QuestionTask":
        """Keep the threshold that is best for these scores of `selects_by`, for all splits."""
        found = self._find(self.selects_by, scores)
        return replace(self, null_threshold=self._threshold(self.selects_by, found))

    def score(self, split: str, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Compute exact match and F1 in percent, and the threshold for no answer."""
        found = self._find(split, scores)
        threshold = self._threshold(split, found)
        metrics = score_answers(self.questions[split], self._texts(split, found), self.rule)
        return metrics | ({} if threshold is None else {"null_threshold": threshold})

    def interval(self, split: str, scores: Sequence[np.ndarray]) -> tuple[float, float]:
        """Bootstrap the F1 over questions."""
        texts = self._texts(split, self._find(split, scores))
        each = score_each(self.questions[split], texts, self.rule)
        return bootstrap_mean(np.array([100 * f1 for _, f1 in each]), BOOTSTRAP_SEED)

    def predictions(self, split: str, scores: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
        """Say for each question the answer, its probability and the odds of there being none."""
        found = self._find(split, scores)
        texts = self._texts(split, found)
        for question, prediction in zip(self.questions[split], found, strict=True):
            yield {
                "id": question.id,
                "question": question.question,
                "prediction": texts[question.id],
                "answers": [answer.text for answer in question.answers],
                "null_odds": prediction.null_odds,
                "candidates": [asdict(candidate) for candidate in prediction.candidates[:5]],
            }

    def files(self, split: str, scores: Sequence[np.ndarray]) -> dict[str, str]:
        """Give what the official scripts read: answers, the n best, and odds for SQuAD 2.0."""
        found = self._find(split, scores)
        files = prediction_files(self.questions[split], found, self._threshold(split, found))
        return {
            f"{split}_{name}": json.dumps(values, ensure_ascii=False)
            for name, values in files.items()
        }

    def _find(self, split: str, scores: Sequence[np.ndarray]) -> list[Prediction]:
        starts, ends = [row[:, 0] for row in scores], [row[:, 1] for row in scores]
        return find_answers(self.questions[split], self.windows[split], starts, ends, self.answers)

    def _texts(self, split: str, found: Sequence[Prediction]) -> dict[str, str]:
        threshold = self._threshold(split, found)
        return {
            question.id: prediction.best_text() if threshold is None else prediction.text(threshold)
            for question, prediction in zip(self.questions[split], found, strict=True)
        }

    def _threshold(self, split: str, found: Sequence[Prediction]) -> float | None:
        """Give the threshold that was settled, or search it; even odds where nothing is known."""
        if not self.answers.may_be_impossible:
            return None
        if self.null_threshold is not None:
            return self.null_threshold
        if split not in self.scored_splits:
            return 0.0
        questions = self.questions[split]
        texts = {q.id: p.best_text() for q, p in zip(questions, found, strict=True)}
        f1 = [f1 for _, f1 in score_each(questions, texts, self.rule)]
        odds = [prediction.null_odds for prediction in found]
        return find_threshold(odds, f1, [not q.impossible for q in questions])[0]


def question_task(
    name: str,
    rule: str,
    questions: dict[str, list[Question]],
    reports: dict[str, SquadReport],
    tokenizer: Tokenizer,
    windows: WindowConfig,
    answers: AnswerConfig,
) -> QuestionTask:
    """Cut all splits into windows.

    Args:
        name: what the user calls the task.
        rule: of `squad_metric.RULES`.
        questions: by split.
        reports: what reading met, by split.
        tokenizer: that of the model.
        windows: how contexts are cut.
        answers: which spans are taken.

    Raises:
        DataError: there is no question to train on.
    """
    cut = {
        split: make_windows(of_split, tokenizer, windows, training=split == "train")
        for split, of_split in questions.items()
    }
    notes = tuple(
        f"{split}: {what}: {tally.count:,}, the first at {tally.first}"
        for split, report in reports.items()
        for what, tally in _tallies(report, training=split == "train").items()
        if tally.count
    )
    return QuestionTask(name, rule, questions, cut, answers, notes)


def _tallies(report: SquadReport, *, training: bool) -> dict[str, Tally]:
    tallies = {
        "answers moved to where their text stands": report.repaired,
        "answers whose place is not known": report.unplaced,
    }
    if training:
        tallies["questions left out for that"] = report.untrainable
    return tallies
