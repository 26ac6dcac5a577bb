"""The threshold above which a question is taken to have no answer."""

from collections.abc import Sequence

import numpy as np


def find_threshold(
    odds: Sequence[float], scores: Sequence[float], answerable: Sequence[bool]
) -> tuple[float, float]:
    """Return the threshold with the highest mean score, the lowest of equals, and that score.

    A question whose odds of having no answer are above the threshold gets none: right, a score of
    1, where it is not answerable. All thresholds that differ in effect are tried.

    Args:
        odds: of no answer, for each question.
        scores: of the text that is answered at or below the threshold, 0 to 1; where the question
            is not answerable, 1 for a text that is empty all the same.
        answerable: whether the question has an answer.
    """
    if not len(odds):
        raise ValueError("no question to find a threshold on")
    order = np.argsort(np.asarray(odds, np.float64), kind="stable")
    sorted_odds = np.asarray(odds, np.float64)[order]
    unanswered = ~np.asarray(answerable, bool)[order]
    gains = np.asarray(scores, np.float64)[order] - unanswered
    # Totals with none answered, then with the first, the first two, ...
    totals = np.cumsum(np.concatenate([[unanswered.sum()], gains]))
    # Questions with equal odds are answered together or not at all.
    ends = np.append(np.flatnonzero(np.diff(sorted_odds)) + 1, len(sorted_odds))
    thresholds = np.concatenate([[sorted_odds[0] - 1.0], sorted_odds[ends - 1]])
    reached = totals[np.concatenate([[0], ends])]
    best = int(reached.argmax())
    return float(thresholds[best]), float(reached[best] / len(sorted_odds))
