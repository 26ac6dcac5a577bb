"""Logistic regression: that it is at its optimum, and that what is held out stays unknown."""

import numpy as np

from bert_jax.probes.logistic import FOLDS, PENALTY, fit, folds_of, held_out_predictions

DRAW = np.random.default_rng(0)
LABELS = np.arange(120) % 3


def accuracy(features, labels):
    return (held_out_predictions(features, labels) == labels).mean()


def test_no_direction_leads_to_a_lower_loss_from_what_is_fitted():
    features = DRAW.normal(size=(30, 4))
    labels = LABELS[:30]

    def loss(flat):
        weights, bias = flat[:12].reshape(4, 3), flat[12:]
        scores = features @ weights + bias
        of_rows = np.log(np.exp(scores).sum(1)) - scores[np.arange(30), labels]
        return of_rows.sum() + PENALTY / 2 * (weights**2).sum()

    weights, bias = fit(features, labels, 3)
    found = np.concatenate([weights.ravel(), bias])
    steps = 1e-4 * np.eye(15)
    slopes = [(loss(found + step) - loss(found - step)) / 2e-4 for step in steps]
    np.testing.assert_allclose(slopes, 0, atol=1e-4)
    assert loss(found) < loss(0 * found) - 1  # where every slope is not


def test_what_a_line_parts_is_told_and_what_is_drawn_at_random_is_not():
    noise = DRAW.normal(size=(120, 20))
    apart = np.concatenate([4 * np.eye(3)[LABELS], noise], axis=1)
    assert accuracy(apart, LABELS) == 1.0
    assert abs(accuracy(apart, DRAW.permutation(LABELS)) - 1 / 3) < 0.15
    # The size of what is learnt from, and where its zero lies, are the model's own affair.
    assert (held_out_predictions(noise, LABELS) == held_out_predictions(
        100 * noise + 7, LABELS
    )).all()  # fmt: skip


def test_what_only_neighbours_have_in_common_is_not_learnt():
    group = np.arange(80) // 4  # of two rows of each label
    labels = np.arange(80) % 4 // 2
    words = np.eye(40)[2 * group + labels]
    assert accuracy(words, labels) == 0.5
    mixed = np.arange(80).reshape(40, 2).T.ravel()  # neighbours apart
    assert accuracy(words[mixed], labels[mixed]) == 1.0


def test_every_fold_has_its_share_of_each_label():
    labels = DRAW.permutation(np.repeat([0, 1, 2], [50, 30, 4]))
    folds = folds_of(labels)
    assert set(folds[labels == 0]) == set(folds[labels == 1]) == set(range(FOLDS))
    assert np.bincount(folds[labels == 0]).tolist() == [5] * FOLDS
    assert len(set(folds[labels == 2])) == 4
    for label in range(3):
        assert (np.diff(folds[labels == label]) >= 0).all()
