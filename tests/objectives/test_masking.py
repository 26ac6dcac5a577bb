import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bert_jax.objectives.masking import Masking, Vocabulary, mask_tokens, prediction_counts

PAD, UNK, CLS, SEP, MASK = range(5)
VOCABULARY = Vocabulary(60, MASK, (PAD, UNK, CLS, SEP, MASK))
ROWS, LENGTH, PREDICTIONS = 1024, 64, 9


def masking(max_predictions=PREDICTIONS, rate=0.15):
    return Masking(rate, max_predictions, mask_share=0.8, random_share=0.1)


@functools.partial(jax.jit, static_argnums=3)
def draw(input_ids, attention_mask, key, masking):
    return mask_tokens(input_ids, attention_mask, key, masking, VOCABULARY)


@pytest.fixture(scope="module")
def full():
    """Rows without padding and specials, and what was drawn for them."""
    rng = np.random.default_rng(0)
    ids = rng.integers(5, VOCABULARY.size, (ROWS, LENGTH)).astype(np.int32)
    return ids, jax.tree.map(np.asarray, draw(ids, np.ones_like(ids), jax.random.key(0), masking()))


@pytest.fixture(scope="module")
def mixed():
    """Rows [CLS] A [SEP] B [SEP] of 5 to 64 tokens with an [UNK] or two, and what was drawn."""
    rng = np.random.default_rng(1)
    ids = rng.integers(5, VOCABULARY.size, (ROWS, LENGTH)).astype(np.int32)
    lengths = rng.integers(5, LENGTH + 1, ROWS)[:, None]
    place = np.arange(LENGTH)[None, :]
    ids[(place == lengths // 2) | (place == lengths - 1)] = SEP
    ids[:, 0] = CLS
    ids[(rng.random(ids.shape) < 0.05) & (place > 0) & (ids != SEP)] = UNK
    ids[place >= lengths] = PAD
    mask = (place < lengths).astype(np.int32)
    return ids, mask, jax.tree.map(np.asarray, draw(ids, mask, jax.random.key(0), masking()))


def shown_and_labels(drawn):
    """Return what stands at the chosen positions, and what stood there."""
    used = drawn.weights == 1
    return np.take_along_axis(drawn.input_ids, drawn.positions, 1)[used], drawn.labels[used]


def assert_share(found, expected, count):
    assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / count)


@pytest.mark.parametrize("most", [20, 77])
def test_the_number_of_predictions_is_googles_for_every_length(most):
    expected = [min(most, max(1, int(round(length * 0.15)))) for length in range(1, 513)]
    np.testing.assert_array_equal(prediction_counts(512, masking(most))[1:], expected)


def test_a_row_gets_the_number_of_predictions_of_its_length():
    mask = np.tri(512, dtype=np.int32)  # rows of 1 to 512 tokens
    drawn = draw(np.full((512, 512), 7, np.int32), mask, jax.random.key(0), masking(77))
    expected = [min(77, max(1, int(round(length * 0.15)))) for length in range(1, 513)]
    np.testing.assert_array_equal(drawn.weights.sum(1), expected)
    # Also where padding is a token like any other, none of it is chosen.
    assert (drawn.positions < np.arange(1, 513)[:, None]).all()


def test_specials_and_padding_are_never_chosen(mixed):
    ids, mask, drawn = mixed
    used = drawn.weights == 1
    chosen = np.take_along_axis(ids, drawn.positions, 1)[used]
    assert not np.isin(chosen, VOCABULARY.unmaskable_ids).any()
    assert np.take_along_axis(mask, drawn.positions, 1)[used].all()
    special = np.isin(ids, VOCABULARY.unmaskable_ids)
    np.testing.assert_array_equal(drawn.input_ids[special], ids[special])


def test_labels_are_what_stood_at_the_positions(mixed):
    ids, _, drawn = mixed
    used = drawn.weights == 1
    np.testing.assert_array_equal(
        drawn.labels[used], np.take_along_axis(ids, drawn.positions, 1)[used]
    )


def test_no_position_is_chosen_twice(mixed):
    *_, drawn = mixed
    for positions, weights in zip(drawn.positions, drawn.weights, strict=True):
        used = positions[weights == 1]
        assert len(set(used.tolist())) == len(used)


def test_nothing_but_chosen_positions_is_altered(mixed):
    ids, _, drawn = mixed
    restored = drawn.input_ids.copy()
    rows, slots = np.nonzero(drawn.weights)
    restored[rows, drawn.positions[rows, slots]] = drawn.labels[rows, slots]
    np.testing.assert_array_equal(restored, ids)


def test_unused_slots_have_weight_zero_and_come_last(mixed):
    *_, drawn = mixed
    assert set(np.unique(drawn.weights)) == {0.0, 1.0}
    assert (np.diff(drawn.weights, axis=1) <= 0).all()
    unused = drawn.weights == 0
    assert unused.any()
    assert not drawn.positions[unused].any()
    assert not drawn.labels[unused].any()


def test_eight_in_ten_become_mask_and_one_in_ten_stays(full):
    shown, labels = shown_and_labels(full[1])
    by_chance = 0.1 / VOCABULARY.size  # a random token may be [MASK], or the one that stood there
    assert len(shown) == ROWS * PREDICTIONS
    assert_share((shown == MASK).mean(), 0.8 + by_chance, len(shown))
    assert_share((shown == labels).mean(), 0.1 + by_chance, len(shown))


def test_random_tokens_cover_the_whole_vocabulary_evenly(full):
    shown, labels = shown_and_labels(full[1])
    replaced = shown[(shown != MASK) & (shown != labels)]
    counts = np.delete(np.bincount(replaced, minlength=VOCABULARY.size), MASK)
    assert len(np.bincount(replaced)) == VOCABULARY.size
    expected = len(shown) * 0.1 / VOCABULARY.size
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    assert counts.min() > 0


def test_chosen_positions_are_spread_evenly(full):
    counts = np.bincount(full[1].positions.ravel(), minlength=LENGTH)
    expected = ROWS * PREDICTIONS / LENGTH
    variance = expected * (1 - PREDICTIONS / LENGTH)  # drawn without repetition in a row
    statistic = ((counts - expected) ** 2).sum() / variance
    assert abs(statistic - (LENGTH - 1)) < 5 * np.sqrt(2 * LENGTH)


def test_what_a_token_becomes_does_not_depend_on_its_slot(full):
    drawn = full[1]
    masked = np.take_along_axis(drawn.input_ids, drawn.positions, 1) == MASK
    for share in masked.mean(0):
        assert_share(share, 0.8, ROWS)


def test_equal_rows_get_masks_of_their_own():
    ids = np.full((8, LENGTH), 7, np.int32)
    positions = draw(ids, np.ones_like(ids), jax.random.key(0), masking()).positions
    assert len({tuple(sorted(row)) for row in np.asarray(positions).tolist()}) == 8


def test_the_same_key_gives_the_same_masks_and_another_key_others(full):
    ids, drawn = full
    again = draw(ids, np.ones_like(ids), jax.random.key(0), masking())
    jax.tree.map(np.testing.assert_array_equal, again, drawn)
    other = draw(ids, np.ones_like(ids), jax.random.key(1), masking())
    same = [
        set(a) == set(b)
        for a, b in zip(other.positions.tolist(), drawn.positions.tolist(), strict=True)
    ]
    assert not any(same)


def test_a_batch_cut_over_devices_gets_the_masks_of_one(mixed):
    ids, mask, drawn = mixed
    cut = NamedSharding(Mesh(np.array(jax.devices()[:8]), "data"), PartitionSpec("data"))
    sharded = draw(*jax.device_put((ids, mask), cut), jax.random.key(0), masking())
    assert len(sharded.input_ids.sharding.device_set) == 8
    jax.tree.map(np.testing.assert_array_equal, sharded, drawn)


@pytest.mark.parametrize(("words", "predictions"), [(0, 0), (1, 1), (2, 2), (5, 3)])
def test_a_row_is_never_asked_for_more_than_it_can_hide(words, predictions):
    ids = np.full((4, 20), CLS, np.int32)  # 20 tokens: three predictions wanted
    ids[:, :words] = 9
    drawn = draw(ids, np.ones_like(ids), jax.random.key(0), masking(20))
    np.testing.assert_array_equal(drawn.weights.sum(1), predictions)
    np.testing.assert_array_equal(np.asarray(drawn.input_ids)[:, words:], CLS)
    assert drawn.positions.max() < max(words, 1)


def test_there_are_no_more_slots_than_tokens():
    ids = np.full((2, 6), 9, np.int32)
    drawn = draw(ids, np.ones_like(ids), jax.random.key(0), masking(20, rate=0.99))
    np.testing.assert_array_equal(np.sort(drawn.positions), [range(6)] * 2)


def test_the_types_of_ids_are_kept(full):
    ids, drawn = full
    assert drawn.input_ids.dtype == drawn.labels.dtype == ids.dtype
    assert drawn.weights.dtype == jnp.float32


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ((0.0, 20, 0.8, 0.1), "rate=0.0 must be between 0 and 1"),
        ((1.0, 20, 0.8, 0.1), "rate=1.0 must be between 0 and 1"),
        ((0.15, 0, 0.8, 0.1), "max_predictions=0 must be at least 1"),
        ((0.15, 20, 0.8, 0.3), "not exceed 1 together"),
        ((0.15, 20, 0.8, -0.1), "must not be negative"),
    ],
)
def test_a_share_out_of_range_is_refused(values, rule):
    with pytest.raises(ValueError, match=rule):
        Masking(*values)


def test_what_stands_in_a_tokens_place_does_not_depend_on_how_it_was_chosen():
    """With one key for both, a first token that is chosen (a high score) is never hidden."""
    ids = jnp.full((1, 20), 7, jnp.int32)
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = jax.jit(
        jax.vmap(lambda key: mask_tokens(ids, jnp.ones_like(ids), key, masking(3), VOCABULARY))
    )(keys)
    chosen = (np.asarray(drawn.positions[:, 0]) == 0).any(axis=1)
    first = np.take_along_axis(np.asarray(drawn.input_ids[:, 0]), drawn.positions[:, 0, :1], 1)[
        chosen, 0
    ]
    assert_share((first == MASK).mean(), 0.8, len(first))
