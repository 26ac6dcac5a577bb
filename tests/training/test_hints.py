"""The note about the plateau of a model without context."""

import math

import pytest

from bert_jax.training.hints import PlateauHint, context_free_loss

CONTEXT_FREE = 6.0


def test_copying_what_is_shown_takes_the_loss_under_the_entropy():
    # 80% [MASK] and 10% drawn at the entropy; of the 20% shown, one in two is the right one.
    assert context_free_loss(6.0, 0.8, 0.1) == pytest.approx(0.9 * 6.0 + 0.2 * math.log(2))
    assert context_free_loss(6.0, 1.0, 0.0) == pytest.approx(6.0)
    assert context_free_loss(6.0, 0.0, 0.0) == pytest.approx(0.0)


def hint(pre_normalized=False):
    return PlateauHint(CONTEXT_FREE, 0.05, after_step=100, pre_normalized=pre_normalized)


def metrics(loss, accuracy=0.05):
    return {"mlm_loss": loss, "mlm_hidden_accuracy": accuracy}


def test_a_model_without_context_is_told_so():
    (note,) = hint()(100, metrics(5.95))
    assert "(5.95)" in note and "(6.00)" in note and "5.0%" in note and "learning rate" in note


def test_it_is_not_said_before_its_time():
    assert hint()(99, metrics(9.0)) == []


def test_a_model_that_uses_context_is_left_alone():
    assert hint()(100, metrics(5.8)) == []
    assert hint()(100, metrics(6.0, accuracy=0.07)) == []
    assert hint()(100, metrics(6.0, accuracy=0.06)) != []


def test_it_is_said_once_while_the_steps_have_not_doubled():
    told = hint()
    notes = {step: told(step, metrics(6.0)) for step in range(100, 400, 50)}
    assert [step for step, said in notes.items() if said] == [100, 200]


@pytest.mark.parametrize("pre", [False, True])
def test_it_advises_pre_normalization_only_where_it_is_not_in_use(pre):
    (note,) = hint(pre)(100, metrics(6.0))
    assert ("normalization=pre" in note) is not pre
