import types

import numpy as np
import pytest

from bert_jax.data import batches
from bert_jax.data.batches import PretrainingRows
from bert_jax.data.pairs import PairSampling, sample_pairs
from bert_jax.data.rows import RowFormat, empty_batch
from bert_jax.data.shards import Split
from bert_jax.errors import DataError

PAD, CLS, SEP = 0, 1, 2
FIRST = 10  # a shard's tokens are their places in the whole corpus, from here on
ROW = RowFormat(24, PAD, CLS, SEP)
PACKED = RowFormat(24, PAD, CLS, SEP, packed_length=60, packed_sequences=4)
PAIRS = PairSampling(True, 0.5, 0.1)
SEGMENTS = PairSampling(False, 0.5, 0.1)


def make_split(shards, documents, seed=0):
    rng = np.random.default_rng(seed)
    made, tokens, sentences = [], FIRST, 0
    for _ in range(shards):
        per_document = rng.integers(1, 12, documents)
        lengths = rng.integers(1, 16, per_document.sum())
        made.append(
            types.SimpleNamespace(
                tokens=np.arange(tokens, tokens + lengths.sum(), dtype=np.uint32),
                sentence_offsets=np.cumsum([0, *lengths]).astype(np.uint32),
                document_offsets=np.cumsum([0, *per_document]).astype(np.uint32),
            )
        )
        tokens, sentences = tokens + lengths.sum(), sentences + len(lengths)
    return Split(
        "train", shards * documents, sentences, int(tokens) - FIRST, 1.0, 7, 0.1, tuple(made)
    )


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(batches, "SHARDS_IN_A_GROUP", 2)


@pytest.fixture(scope="module")
def split():
    return make_split(shards=5, documents=40)  # three groups, the last of one shard


@pytest.fixture
def unpacked(split):
    return PretrainingRows(split, PAIRS, ROW, [3])


@pytest.fixture(params=[ROW, PACKED], ids=["unpacked", "packed"])
def rows(split, request):
    return PretrainingRows(split, PAIRS, request.param, [3])


def test_a_batch_of_no_rows_has_the_columns_of_any(rows):
    row, batch = rows.row, rows(np.arange(5))
    empty = empty_batch(row.row_length, row.packed_sequences if row.packed_length else 0)
    assert type(empty) is type(batch)
    for column, none in zip(batch, empty, strict=True):
        assert none.dtype == column.dtype
        assert none.shape == (0, *column.shape[1:])


def assert_equal(first, second):
    for name, a, b in zip(first._fields, first, second, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


def take(batch, places):
    return batch._make(column[places] for column in batch)


def epoch(rows, number=0):
    return rows(np.arange(rows.rows_per_epoch) + number * rows.rows_per_epoch)


def slow_row(tokens, pair, sampling):
    """Lay one row out by joining lists."""
    a_start, a_length, b_start, b_length, is_next, _ = pair
    a = tokens[a_start : a_start + a_length].tolist()
    b = tokens[b_start : b_start + b_length].tolist()
    ids, segments = [CLS, *a, SEP], [0] * (len(a) + 2)
    if sampling.next_sentence:
        ids, segments = [*ids, *b, SEP], [*segments, *[1] * (len(b) + 1)]
    padding = ROW.max_seq_length - len(ids)
    return (
        *(ids + [PAD] * padding),
        *(segments + [0] * padding),
        *([1] * len(ids) + [0] * padding),
        0 if is_next else 1,
    )


def as_rows(batch):
    return [tuple(row) for row in np.column_stack(batch).tolist()]


def shards_of(rows, batch):
    """Return the number of the shard that each row's A is from."""
    ends = np.cumsum([len(shard.tokens) for shard in rows.split.shards]) + FIRST
    return np.searchsorted(ends, batch.input_ids[:, 1], side="right")


@pytest.mark.parametrize("sampling", [PAIRS, SEGMENTS], ids=["pairs", "segments"])
@pytest.mark.parametrize("number", [0, 1])
def test_rows_are_cls_a_sep_b_sep_with_segments_mask_and_label(split, sampling, number):
    rows = PretrainingRows(split, sampling, ROW, [3])
    expected = set()
    for index, shard in enumerate(split.shards):
        pairs = sample_pairs(shard, sampling, ROW.max_seq_length, [3, number, index])
        for pair in zip(*(column.tolist() for column in pairs), strict=True):
            expected.add(slow_row(shard.tokens, pair, sampling))
    found = as_rows(epoch(rows, number))
    assert set(found) <= expected
    assert len(set(found)) > 0.9 * len(expected)  # few are left out in favour of equal epochs


def test_ids_segments_mask_and_label_are_int32(unpacked):
    assert {column.dtype for column in unpacked(np.arange(4))} == {np.dtype(np.int32)}


def test_label_zero_is_text_that_follows_on(unpacked):
    batch = epoch(unpacked)
    follows = batch.next_sentence_label == 0
    assert 0.2 < follows.mean() < 0.6
    a_ends = [row.index(SEP) for row in batch.input_ids.tolist()]
    gap = [row[end + 1] - row[end - 1] for row, end in zip(batch.input_ids, a_ends, strict=True)]
    full = batch.attention_mask.all(1)  # maybe cut: then some tokens are missing between
    np.testing.assert_array_equal(np.array(gap)[follows & ~full], 1)
    assert not np.isin(np.array(gap)[~follows], 1).any()


def test_without_next_sentence_prediction_there_is_one_segment(split):
    batch = epoch(PretrainingRows(split, SEGMENTS, ROW, [3]))
    assert not batch.token_type_ids.any()
    assert not batch.next_sentence_label.any()
    np.testing.assert_array_equal((batch.input_ids == SEP).sum(1), 1)


def test_a_row_is_a_function_of_its_index_alone(rows):
    count = rows.rows_per_epoch
    whole = rows(np.arange(2 * count))
    rng = np.random.default_rng(0)
    for _ in range(5):
        indices = rng.integers(0, 2 * count, 16)  # from several groups and both epochs
        assert_equal(rows(indices), take(whole, indices))
    for start in range(0, 2 * count, 100):
        indices = np.arange(start, min(start + 100, 2 * count))
        assert_equal(rows(indices), take(whole, indices))


def test_another_object_gives_the_same_rows_from_anywhere(split, rows):
    last = np.arange(3 * rows.rows_per_epoch - 8, 3 * rows.rows_per_epoch + 8)
    assert_equal(PretrainingRows(split, PAIRS, rows.row, [3])(last), rows(last))


def test_an_earlier_epoch_can_be_read_again(rows):
    first = epoch(rows, 0)
    second = epoch(rows, 1)
    assert_equal(epoch(rows, 0), first)
    assert_equal(epoch(rows, 1), second)


def test_epochs_differ(rows):
    first, second = set(as_rows(epoch(rows, 0))), set(as_rows(epoch(rows, 1)))
    assert len(first & second) < 0.3 * len(first)


def test_seeds_differ(split, rows):
    other = PretrainingRows(split, PAIRS, rows.row, [4])
    common = set(as_rows(epoch(rows))) & set(as_rows(epoch(other)))
    assert len(common) < 0.3 * rows.rows_per_epoch


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_shard_is_used_in_each_epoch_and_as_much_as_it_holds(rows, number):
    batch = epoch(rows, number)
    sequences = (batch.input_ids == CLS).sum(1)
    counts = np.bincount(shards_of(rows, batch), sequences, minlength=5)
    passes = [
        len(sample_pairs(shard, PAIRS, ROW.max_seq_length, [9, i]).is_next)
        for i, shard in enumerate(rows.split.shards)
    ]
    np.testing.assert_allclose(counts, passes, rtol=0.15)
    assert len(sequences) == rows.rows_per_epoch


def test_rows_of_a_group_are_mixed_and_groups_follow_one_another(rows):
    of_row = shards_of(rows, epoch(rows))
    order = list(dict.fromkeys(of_row.tolist()))
    groups = [set(order[:2]), set(order[2:4]), set(order[4:])]
    ends = [np.flatnonzero(np.isin(of_row, list(group)))[[0, -1]] for group in groups]
    assert ends[0][1] < ends[1][0] < ends[1][1] < ends[2][0]
    within = of_row[: ends[0][1] + 1]
    changes = (np.diff(within) != 0).mean()
    assert 0.4 < changes < 0.6  # two shards of about equal size, shuffled
    assert (np.diff(epoch(rows).input_ids[:, 1].astype(int)) > 0).mean() < 0.6


def test_the_order_of_shards_changes_from_epoch_to_epoch(rows):
    # The last group is one shard; which one it is depends on the order alone.
    last = {int(shards_of(rows, epoch(rows, number))[-1]) for number in range(6)}
    assert len(last) > 1


def test_nearly_all_text_is_seen_in_an_epoch(rows):
    batch = epoch(rows)
    seen = np.unique(batch.input_ids[batch.input_ids >= FIRST])
    # Short rows and cut pairs leave some out.
    assert len(seen) > 0.75 * rows.split.tokens


def test_an_epoch_is_about_as_long_as_a_pass_when_some_documents_are_counted(monkeypatch):
    split = make_split(shards=1, documents=600)
    whole = PretrainingRows(split, PAIRS, ROW, [3]).rows_per_epoch
    monkeypatch.setattr(batches, "DOCUMENTS_COUNTED", 150)
    estimate = PretrainingRows(split, PAIRS, ROW, [3]).rows_per_epoch
    assert estimate != whole
    assert abs(estimate - whole) < 0.1 * whole


@pytest.mark.parametrize("number", [0, 1])
def test_statistics_are_those_of_the_rows(number):
    rows = PretrainingRows(make_split(shards=2, documents=60), PAIRS, ROW, [3])  # one group
    found, batch = rows.statistics(number), epoch(rows, number)
    lengths = batch.attention_mask.sum(1)
    assert found["pairs"] == rows.rows_per_epoch == len(lengths)
    assert found["is_next_share"] == pytest.approx((batch.next_sentence_label == 0).mean())
    assert found["mean_length"] == pytest.approx(lengths.mean())
    assert found["padding_share"] == pytest.approx((batch.attention_mask == 0).mean())
    # What was cut is full to the last token, and few others are.
    full = (lengths == ROW.max_seq_length).mean()
    assert 0.8 * full < found["truncated_share"] <= full


def test_a_split_without_text_is_refused():
    empty = types.SimpleNamespace(
        tokens=np.zeros(0, np.uint16),
        sentence_offsets=np.zeros(1, np.uint32),
        document_offsets=np.zeros(1, np.uint32),
    )
    split = Split("train", 0, 0, 0, 0.0, 0, 0.0, (empty,))
    with pytest.raises(DataError, match="the train split holds no text"):
        PretrainingRows(split, SEGMENTS, ROW, [0])


@pytest.mark.parametrize(("sampling", "shortest"), [(PAIRS, 5), (SEGMENTS, 4)])
def test_a_row_without_room_for_text_is_refused(split, sampling, shortest):
    with pytest.raises(DataError, match=f"max_seq_length={shortest - 1} leaves no room for text"):
        PretrainingRows(split, sampling, RowFormat(shortest - 1, PAD, CLS, SEP), [0])
    batch = PretrainingRows(split, sampling, RowFormat(shortest, PAD, CLS, SEP), [0])(np.arange(9))
    assert batch.input_ids.shape == (9, shortest)
