import numpy as np
import pytest

from bert_jax.tasks.null_threshold import find_threshold


def mean_score(threshold, odds, scores, answerable):
    """What a threshold reaches, question by question."""
    return np.mean(
        [
            float(not has) if odd > threshold else score
            for odd, score, has in zip(odds, scores, answerable, strict=True)
        ]
    )


@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_is_better(seed):
    rng = np.random.default_rng(seed)
    odds = rng.integers(-3, 4, 12) / 2  # many are equal
    scores = rng.integers(0, 3, 12) / 2
    answerable = rng.random(12) < 0.6
    scores[~answerable] = scores[~answerable] == 1
    threshold, reached = find_threshold(odds, scores, answerable)
    assert mean_score(threshold, odds, scores, answerable) == pytest.approx(reached, abs=1e-12)
    others = {t: mean_score(t, odds, scores, answerable) for t in np.arange(-5, 5, 0.25)}
    assert reached == pytest.approx(max(others.values()), abs=1e-12)
    # Of equals the lowest: whatever answers fewer questions is worse.
    fewer = [t for t in others if (odds <= t).sum() < (odds <= threshold).sum()]
    assert all(others[t] < reached - 1e-9 for t in fewer)


@pytest.mark.parametrize(
    "odds, scores, answerable, wanted",
    [
        ([-1.0, 0.0, 2.0], [1, 1, 0], [True, True, False], (0.0, 1.0)),
        ([-1.0, 0.0, 2.0], [0, 0, 0], [False, False, False], (-2.0, 1.0)),  # answer none
        ([-1.0, 0.0, 2.0], [1, 0.5, 1], [True, True, True], (2.0, 2.5 / 3)),  # answer all
        ([1.0, 1.0, 3.0], [1, 0, 0], [True, False, False], (0.0, 2 / 3)),  # equals go together
        ([2.0, -1.0, 0.0], [0, 1, 1], [False, True, True], (0.0, 1.0)),  # in any order
    ],
)
def test_cases_by_hand(odds, scores, answerable, wanted):
    assert find_threshold(odds, scores, answerable) == pytest.approx(wanted)


def test_no_question_is_refused():
    with pytest.raises(ValueError, match="no question"):
        find_threshold([], [], [])
