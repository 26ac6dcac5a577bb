"""Which gradients are too large, and what is written of a step that is left out."""

import json
import math

import numpy as np
import pytest

from bert_jax.training.skipping import SpikeGuard, describe_skipped


def remembered(guard, norms):
    kept = []
    for step, norm in enumerate(norms):
        kept = guard.remember(kept, step, norm)
    return kept


def test_the_limit_is_the_median_and_so_many_deviations():
    guard = SpikeGuard(factor=5.0, window=5)
    norms = remembered(guard, [1.0, 2.0, 3.0, 4.0, 100.0])
    # Median 3; the deviations from it are 2, 1, 0, 1, 97, their median 1.
    assert guard.limit(norms, 6, 0) == pytest.approx(3.0 + 5.0 * 1.4826)


def test_norms_that_hardly_differ_leave_room():
    guard = SpikeGuard(factor=10.0, window=4)
    assert guard.limit(remembered(guard, [2.0] * 4), 5, 0) == pytest.approx(4.0)


def test_there_is_no_limit_before_the_window_is_full_nor_across_phases():
    guard = SpikeGuard(factor=5.0, window=4)
    norms = remembered(guard, [1.0] * 4)
    assert guard.limit(norms, 4, 0) == math.inf  # of step 3 one does not know yet
    assert guard.limit(norms, 5, 0) < math.inf
    assert guard.limit(norms, 5, 1) == math.inf


def test_what_is_not_finite_does_not_count():
    guard = SpikeGuard(factor=5.0, window=3)
    norms = remembered(guard, [1.0, math.nan, 2.0, math.inf, 3.0])
    assert [norm for _, norm in norms] == [1.0, 2.0, 3.0]
    assert guard.limit(norms, 6, 0) == pytest.approx(2.0 + 5.0 * 1.4826)


@pytest.mark.parametrize("bad", [(), (17,), (19, 20)])
def test_a_limit_is_the_same_whether_the_step_before_is_known_or_not(bad):
    guard = SpikeGuard(factor=5.0, window=6)
    drawn = np.random.default_rng(0).uniform(1, 2, 30)
    drawn[list(bad)] = np.nan
    for step in range(7, 30):
        late, early = remembered(guard, drawn[: step - 1]), remembered(guard, drawn[:step])
        limit = guard.limit(late, step, 0)
        assert limit == guard.limit(early, step, 0)
        restored = json.loads(json.dumps(early))
        assert limit == guard.limit(restored, step, 0)


def test_a_level_that_has_risen_is_accepted_in_the_end():
    guard = SpikeGuard(factor=5.0, window=9)
    norms = remembered(guard, [1.0] * 9 + [50.0] * 4)
    assert guard.limit(norms, 14, 0) < 50.0
    assert guard.limit(remembered(guard, [1.0] * 9 + [50.0] * 5), 15, 0) > 50.0


def test_without_a_factor_nothing_is_kept_and_nothing_limited():
    guard = SpikeGuard(factor=0.0, window=2)
    assert remembered(guard, [1.0] * 9) == []
    assert guard.limit([(0, 1.0), (1, 1.0), (2, 1.0)], 9, 0) == math.inf


@pytest.mark.parametrize(
    ("values", "message"),
    [((-1.0, 9), "spike_factor=-1.0 must not be"), ((1.0, 1), "spike_window=1 must be at least 2")],
)
def test_impossible_values_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SpikeGuard(*values)


def test_numbers_that_json_lacks_are_words():
    norms = {"a": math.nan, "b": math.inf, "c": 1.5}
    said = describe_skipped(norm=math.nan, limit=math.inf, loss=None, rows=[3, 5], norms=norms)
    assert json.loads(json.dumps(said, allow_nan=False)) == {
        "reason": "not finite",
        "grad_norm": "nan",
        "limit": "inf",
        "loss": None,
        "rows": [3, 5],
        "grad_norms": {"a": "nan", "b": "inf", "c": 1.5},
    }
    spike = describe_skipped(norm=9.0, limit=2.0, loss=4.5, rows=[], norms={})
    assert (spike["reason"], spike["grad_norm"], spike["limit"]) == ("spike", 9.0, 2.0)
