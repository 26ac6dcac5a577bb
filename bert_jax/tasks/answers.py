"""Answers back from a model's scores of where they begin and end."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bert_jax.errors import ConfigError
from bert_jax.tasks.examples import Question
from bert_jax.tasks.offsets import Tokens
from bert_jax.tasks.windows import Windows


@dataclass(frozen=True)
class AnswerConfig:
    """Which spans of a context are taken for answers."""

    n_best: int = 20  # answers kept for each question
    max_answer_length: int = 30  # tokens
    may_be_impossible: bool = False  # whether "no answer" is one of the answers, as in SQuAD 2.0

    def __post_init__(self) -> None:
        for name in ("n_best", "max_answer_length"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: got {getattr(self, name)}, wants 1 or more")


@dataclass(frozen=True)
class Candidate:
    """A text of the context, or "" for no answer; probabilities are among those kept."""

    text: str
    probability: float
    start_logit: float
    end_logit: float


@dataclass(frozen=True)
class Prediction:
    """The answers to one question.

    Attributes:
        candidates: the best first; never none.
        null_odds: the score of no answer less that of the best text: above the threshold, the
            question has no answer.
    """

    candidates: tuple[Candidate, ...]
    null_odds: float

    def best_text(self) -> str:
        """Return the best text of the context, whatever the odds."""
        return next((c.text for c in self.candidates if c.text), "")

    def text(self, threshold: float) -> str:
        """Return the best text, or "" where the odds are above the threshold."""
        return "" if self.null_odds > threshold else self.best_text()


def prediction_files(
    questions: Sequence[Question], predictions: Sequence[Prediction], threshold: float | None
) -> dict[str, dict]:
    """Return what the official scripts read, by file name, to be written as JSON.

    Args:
        questions: what was asked.
        predictions: the answers to each.
        threshold: of the odds of no answer; None where each question has one, as in SQuAD 1.1.
    """
    found = {q.id: p for q, p in zip(questions, predictions, strict=True)}
    limit = math.inf if threshold is None else threshold
    files: dict[str, dict] = {
        "predictions.json": {id: p.text(limit) for id, p in found.items()},
        "nbest_predictions.json": {
            id: [asdict(c) for c in p.candidates] for id, p in found.items()
        },
    }
    if threshold is not None:
        files["null_odds.json"] = {id: p.null_odds for id, p in found.items()}
    return files


def find_answers(
    questions: Sequence[Question],
    windows: Windows,
    start_logits: Sequence[np.ndarray],
    end_logits: Sequence[np.ndarray],
    config: AnswerConfig,
) -> list[Prediction]:
    """Find the best answers to each question in all its windows.

    Args:
        questions: what the windows were made of.
        windows: their rows, made for scoring: each question has one or more.
        start_logits: for each row, a score for each of its tokens; padding after them is ignored.
        end_logits: the same, for the last token of an answer.
        config: which spans are taken.
    """
    firsts = np.searchsorted(windows.features.rows, np.arange(len(questions) + 1))
    found = []
    for i, question in enumerate(questions):
        rows = range(firsts[i], firsts[i + 1])
        views = [_view(windows, row, start_logits[row], end_logits[row]) for row in rows]
        found.append(_answer(question.context, windows.contexts[i], views, config))
    return found


@dataclass(frozen=True)
class _View:
    """The scores of a context's tokens from `begin` on, as one window has them."""

    begin: int
    starts: np.ndarray
    ends: np.ndarray
    null: tuple[float, float]  # of [CLS]


def _view(windows: Windows, row: int, starts: np.ndarray, ends: np.ndarray) -> _View:
    place = windows.places[row]
    shown = slice(place, place + windows.lengths[row])
    return _View(
        int(windows.begins[row]),
        np.asarray(starts[shown], np.float64),
        np.asarray(ends[shown], np.float64),
        (float(starts[0]), float(ends[0])),
    )


def _answer(context: str, tokens: Tokens, views: list[_View], config: AnswerConfig) -> Prediction:
    best: dict[str, tuple[float, float]] = {}
    for first, last, start, end in _spans(views, len(tokens.ids), config):
        text = context[tokens.starts[first] : tokens.ends[last]]
        if text and text not in best:
            best[text] = start, end
            if len(best) == config.n_best:
                break
    null = min((view.null for view in views), key=sum)
    # A context without tokens has no text; its score is then 0.
    odds = sum(null) - max(map(sum, best.values()), default=0.0)
    if config.may_be_impossible or not best:
        best[""] = null
    ranked = sorted(best.items(), key=lambda item: -sum(item[1]))
    scores = np.array([sum(logits) for _, logits in ranked])
    weights = np.exp(scores - scores[0])
    candidates = tuple(
        Candidate(text, float(probability), *logits)
        for (text, logits), probability in zip(ranked, weights / weights.sum(), strict=True)
    )
    return Prediction(candidates, odds)


def _spans(
    views: list[_View], tokens: int, config: AnswerConfig
) -> Iterator[tuple[int, int, float, float]]:
    """Yield first and last tokens and their scores, the best sum first."""
    owner = _find_owner(views, tokens)
    found = []
    for i, view in enumerate(views):
        count = len(view.starts)
        longest = min(config.max_answer_length, count)
        if not count:
            continue
        # A token is scored as a start in the window that shows most of its context.
        mine = owner[view.begin : view.begin + count] == i
        starts = np.where(mine, view.starts, -np.inf)
        ends = np.concatenate([view.ends, np.full(longest - 1, -np.inf)])
        sums = starts[:, None] + sliding_window_view(ends, longest)  # [starts, lengths]
        # More than are asked for: the same text may stand at several places.
        kept = min(20 * config.n_best, sums.size)
        chosen = np.argpartition(-sums, kept - 1, axis=None)[:kept]
        first, length = np.divmod(chosen, longest)
        possible = np.isfinite(sums[first, length])
        first, last = first[possible], (first + length)[possible]
        found.append((first + view.begin, last + view.begin, view.starts[first], view.ends[last]))
    if found:
        firsts, lasts, starts, ends = map(np.concatenate, zip(*found, strict=True))
        order = np.lexsort((lasts, firsts, -(starts + ends)))
        columns = (firsts, lasts, starts, ends)
        yield from zip(*(column[order].tolist() for column in columns), strict=True)


def _find_owner(views: list[_View], tokens: int) -> np.ndarray:
    """Return for each token of the context the window that shows most on its poorer side."""
    context = np.full((len(views), tokens), -np.inf)
    for i, view in enumerate(views):
        count = len(view.starts)
        before = np.arange(count)
        context[i, view.begin : view.begin + count] = np.minimum(before, before[::-1])
    return context.argmax(axis=0)  # of equal ones the earlier, which is never the shorter
