"""Copies of fixed pairs and masks that come again and again, as in the original."""

import dataclasses

import jax
import numpy as np
import pytest

COPIES = 3


@pytest.fixture(scope="module")
def fixed(assembled):
    """The first phase's stage, and the steps that its copies last."""
    pretraining = assembled({"data.dupe_factor": COPIES})
    phase = pretraining.plan.phases[0]
    rows = pretraining.rows("train", phase)
    steps = -(-COPIES * rows.rows_per_epoch // phase.batch_size)
    return pretraining, pretraining.stage(phase, rows), steps


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_copies_are_different_and_come_again_after_the_last(assembled, fixed):
    pretraining, stage, steps = fixed
    epoch = steps // COPIES
    for step in (0, 1, steps - 1):
        assert same(stage.batch(step), stage.batch(step + steps))
        assert same(stage.batch(step), stage.batch(step + 4 * steps))
        assert not same(stage.batch(step), stage.batch(step + epoch))
    anew = assembled({})
    phase = anew.plan.phases[0]
    other = anew.stage(phase, anew.rows("train", phase))
    assert same(other.batch(steps - 1), stage.batch(steps - 1))
    assert not same(other.batch(steps), stage.batch(steps))


def test_masks_come_again_with_them_and_dropout_does_not(fixed):
    pretraining, stage, steps = fixed

    def metrics(step):
        state = pretraining.initial_state(None)
        state = dataclasses.replace(state, step=state.step + step)
        _, found, _ = stage.train_step(state, stage.batch(step), np.float32(0), np.float32(np.inf))
        return jax.tree.map(float, found)

    first, again, other = (metrics(step) for step in (2, 2 + steps, 3))
    shown = [found["mlm_hidden_accuracy"].denominator for found in (first, again, other)]
    assert shown[0] == shown[1] != shown[2]
    assert first["mlm_loss"].numerator == pytest.approx(again["mlm_loss"].numerator, rel=0.05)
    assert first["mlm_loss"].numerator != again["mlm_loss"].numerator
