import random
import types

import numpy as np
import pytest

from bert_jax.data.batches import PretrainingRows, RowFormat
from bert_jax.data.pairs import Pairs, PairSampling, _truncate, sample_pairs, special_tokens
from bert_jax.data.shards import Split
from bert_jax.errors import DataError

GOOGLE = PairSampling(True, 0.5, 0.1)
ALWAYS_NEXT = PairSampling(True, 0.0, 0.0)
ALWAYS_RANDOM = PairSampling(True, 1.0, 0.0)
ONE_SEGMENT = PairSampling(False, 0.5, 0.0)


def make_shard(documents):
    """Make a shard of documents, each a list of lengths of sentences; a token is its place."""
    lengths = [n for document in documents for n in document]
    return types.SimpleNamespace(
        tokens=np.arange(sum(lengths), dtype=np.uint32),
        sentence_offsets=np.cumsum([0, *lengths]).astype(np.uint32),
        document_offsets=np.cumsum([0, *map(len, documents)]).astype(np.uint32),
    )


def varied_documents(count, seed=0):
    """Draw documents of 1 to 40 sentences, and sentences of 1 to 90 tokens: many short ones."""
    rng = np.random.default_rng(seed)
    return [
        np.clip(rng.lognormal(2.6, 0.8, int(np.clip(rng.lognormal(1.6, 1), 1, 40))), 1, 90)
        .astype(int)
        .tolist()
        for _ in range(count)
    ]


def document_of(shard, place):
    bounds = shard.sentence_offsets[shard.document_offsets]
    return np.searchsorted(bounds, place, side="right") - 1


def sentence_of(shard, place):
    return np.searchsorted(shard.sentence_offsets, place, side="right") - 1


@pytest.fixture(scope="module")
def shard():
    return make_shard(varied_documents(150))


@pytest.fixture(scope="module")
def pairs(shard):
    return sample_pairs(shard, GOOGLE, 64, [0])


def google_pairs(shard, max_seq_length, draw):
    """Re-state Google's create_instances_from_document and truncate_seq_pair, token by token.

    Return rows of (first of A, length of A, first of B, length of B, is next, truncated).
    """
    sentences = np.split(shard.tokens, shard.sentence_offsets[1:-1])
    bounds = shard.document_offsets
    documents = [
        [sentence.tolist() for sentence in sentences[bounds[d] : bounds[d + 1]]]
        for d in range(len(bounds) - 1)
    ]
    most = max_seq_length - 3
    rows = []
    for number, document in enumerate(documents):
        target = draw.randint(2, most) if draw.random() < 0.1 else most
        chunk = []
        i = 0
        while i < len(document):
            chunk.append(document[i])
            if i == len(document) - 1 or sum(map(len, chunk)) >= target:
                a_end = draw.randint(1, len(chunk) - 1) if len(chunk) >= 2 else 1
                a = [token for sentence in chunk[:a_end] for token in sentence]
                b = []
                is_next = not (len(chunk) == 1 or draw.random() < 0.5)
                if is_next:
                    b = [token for sentence in chunk[a_end:] for token in sentence]
                else:
                    for _ in range(10):
                        other = draw.randint(0, len(documents) - 1)
                        if other != number:
                            break
                    start = draw.randint(0, len(documents[other]) - 1)
                    for sentence in documents[other][start:]:
                        b.extend(sentence)
                        if len(b) >= target - len(a):
                            break
                    i -= len(chunk) - a_end
                truncated = len(a) + len(b) > most
                while len(a) + len(b) > most:
                    longer = a if len(a) > len(b) else b
                    longer.pop(0 if draw.random() < 0.5 else -1)
                rows.append((a[0], len(a), b[0], len(b), is_next, truncated))
                chunk = []
            i += 1
    return rows


def describe(shard, rows, max_seq_length):
    """Sum a pass up in numbers: how many rows, shares, means, and distributions in ten bins."""
    a_start, a_length, b_start, b_length, is_next, truncated = np.array(rows).T
    total = a_length + b_length
    a_cut = a_start - shard.sentence_offsets[sentence_of(shard, a_start)]
    b_cut = b_start - shard.sentence_offsets[sentence_of(shard, b_start)]
    values = [len(a_start), is_next.mean(), truncated.mean(), truncated[is_next == 1].mean()]
    values += [x.mean() for x in (a_length, b_length, total, a_cut, b_cut)]
    values += [x[is_next == 0].mean() for x in (a_length, b_length, a_cut, b_cut)]
    values += [(a_length > b_length).mean(), (a_length * b_length).mean()]
    for x in (a_length, b_length, total):
        values += list(np.histogram(x, np.linspace(1, max_seq_length, 11))[0] / len(x))
    # Where B begins in its document, from 0 to 1.
    bounds = shard.sentence_offsets[shard.document_offsets]
    own = document_of(shard, b_start)
    part = (b_start - bounds[own]) / (bounds[own + 1] - bounds[own])
    return [*values, *np.histogram(part[is_next == 0], np.linspace(0, 1, 11))[0] / len(part)]


@pytest.mark.parametrize("max_seq_length", [32, 128])
def test_passes_are_distributed_as_googles(shard, max_seq_length):
    draw, passes = random.Random(1), 25

    def found_in(seed):
        return np.array(sample_pairs(shard, GOOGLE, max_seq_length, [2, seed])).T

    expected, found = (
        np.array([describe(shard, sample(i), max_seq_length) for i in range(passes)])
        for sample in (lambda _: google_pairs(shard, max_seq_length, draw), found_in)
    )
    error = np.sqrt((expected.var(0, ddof=1) + found.var(0, ddof=1)) / passes)
    difference = np.abs(found.mean(0) - expected.mean(0))
    assert (difference <= 4 * error).all(), difference / np.maximum(error, 1e-12)
    # What is compared can tell something: all but a few of these numbers vary.
    assert (error > 0).mean() > 0.9


def test_true_pairs_are_text_that_follows_on(shard, pairs):
    whole = pairs.is_next & ~pairs.truncated
    assert whole.any()
    np.testing.assert_array_equal(
        pairs.a_start[whole] + pairs.a_length[whole], pairs.b_start[whole]
    )
    cut = pairs.take(np.flatnonzero(pairs.is_next & pairs.truncated))
    np.testing.assert_array_equal(
        document_of(shard, cut.a_start), document_of(shard, cut.b_start + cut.b_length - 1)
    )
    gap = cut.b_start - cut.a_start - cut.a_length
    assert (gap >= 0).all()
    assert (gap == 0).any()


def test_a_random_b_comes_from_another_document(shard, pairs):
    random_ones = pairs.take(np.flatnonzero(~pairs.is_next))
    assert len(random_ones.a_start) > 100
    own, other = (document_of(shard, x) for x in (random_ones.a_start, random_ones.b_start))
    assert (own != other).all()


def test_no_span_leaves_its_document(shard, pairs):
    for start, length in ((pairs.a_start, pairs.a_length), (pairs.b_start, pairs.b_length)):
        assert (length >= 1).all()
        np.testing.assert_array_equal(
            document_of(shard, start), document_of(shard, start + length - 1)
        )


@pytest.mark.parametrize("max_seq_length", [5, 6, 17, 64])
def test_a_row_is_never_longer_than_allowed(shard, max_seq_length):
    pairs = sample_pairs(shard, GOOGLE, max_seq_length, [0])
    total = pairs.a_length + pairs.b_length
    assert total.max() == max_seq_length - 3
    assert (total[pairs.truncated] == max_seq_length - 3).all()
    assert min(pairs.a_length.min(), pairs.b_length.min()) >= 1


def test_rows_that_were_not_cut_are_made_of_whole_sentences(shard, pairs):
    whole = pairs.take(np.flatnonzero(~pairs.truncated))
    for start, length in ((whole.a_start, whole.a_length), (whole.b_start, whole.b_length)):
        assert np.isin(start, shard.sentence_offsets).all()
        assert np.isin(start + length, shard.sentence_offsets).all()


def test_a_document_of_one_sentence_gets_a_random_b():
    shard = make_shard([[5]] * 50)
    pairs = sample_pairs(shard, ALWAYS_NEXT, 64, [0])
    assert len(pairs.is_next) == 50
    assert not pairs.is_next.any()
    np.testing.assert_array_equal(pairs.a_start, 5 * np.arange(50))
    assert (pairs.b_start != pairs.a_start).all()
    assert len(set(pairs.b_start.tolist())) > 20


def test_of_two_documents_a_random_b_is_from_the_other():
    shard = make_shard([[3, 4, 5], [6, 7]])
    for seed in range(20):
        pairs = sample_pairs(shard, ALWAYS_RANDOM, 64, [seed])
        np.testing.assert_array_equal(pairs.a_start < 12, pairs.b_start >= 12)
        assert set(pairs.b_start.tolist()) <= {0, 3, 7, 12, 18}


def test_a_target_shorter_than_a_sentence_makes_each_sentence_a_row_of_its_own():
    shard = make_shard([[30, 40, 50], [35, 45]])
    pairs = sample_pairs(shard, ALWAYS_NEXT, 12, [0])
    assert not pairs.is_next.any()
    assert pairs.truncated.all()
    np.testing.assert_array_equal(sentence_of(shard, pairs.a_start), range(5))
    np.testing.assert_array_equal(pairs.a_length, 5)  # off B when both are equally long
    np.testing.assert_array_equal(pairs.b_length, 4)


def test_a_true_pair_uses_its_sentences_up():
    shard = make_shard([[4] * 10, [4] * 6])
    for seed in range(10):
        pairs = sample_pairs(shard, ALWAYS_NEXT, 3 + 8, [seed])  # two sentences a row
        np.testing.assert_array_equal(pairs.a_start, [0, 8, 16, 24, 32, 40, 48, 56])
        np.testing.assert_array_equal(pairs.b_start, pairs.a_start + 4)
        assert pairs.is_next.all()


def test_after_a_random_b_the_sentences_not_used_come_again():
    documents = varied_documents(30, seed=3)
    shard = make_shard(documents)
    pairs = sample_pairs(shard, ALWAYS_RANDOM, 10**6, [0])
    ends = pairs.a_start + pairs.a_length
    # Each sentence is part of exactly one A.
    np.testing.assert_array_equal(pairs.a_start, [0, *ends[:-1]])
    assert ends[-1] == len(shard.tokens)


def test_a_random_b_ends_with_the_sentence_that_reaches_the_target():
    shard = make_shard([[10], [6] * 30])
    for seed in range(20):
        pairs = sample_pairs(shard, ALWAYS_RANDOM, 3 + 22, [seed])
        start, length = pairs.b_start[0], pairs.b_length[0]  # two sentences are 12 tokens
        assert length == (12 if start < 10 + 29 * 6 else 6)


def test_a_takes_any_number_of_sentences_but_the_last_alike():
    shard = make_shard([[1] * 5] * 4000)
    pairs = sample_pairs(shard, ALWAYS_NEXT, 64, [0])
    counts = np.bincount(pairs.a_length, minlength=5)
    assert counts[0] == 0
    assert len(counts) == 5
    assert np.abs(counts[1:] - 1000).max() < 4 * np.sqrt(1000 * 0.75)


def test_a_random_b_is_from_any_other_document_and_any_sentence_alike():
    shard = make_shard([[1]] * 3000 + [[1] * 4])
    pairs = sample_pairs(shard, ALWAYS_RANDOM, 64, [0])
    drawn = document_of(shard, pairs.b_start)
    counts = np.histogram(drawn[:3000], 30, (0, 3000))[0]
    assert np.abs(counts - 100).max() < 4 * np.sqrt(100)
    few = make_shard([[1] * 4] + [[1] * 4000])
    first = sample_pairs(few, ALWAYS_RANDOM, 4 + 4, [0])
    begun = np.bincount(first.b_start[first.a_start >= 4], minlength=4)
    assert np.abs(begun / begun.sum() - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / begun.sum())


def test_short_targets_are_drawn_from_two_to_the_most_alike():
    shard = make_shard([[1] * 30] * 3800)
    always_short = PairSampling(False, 0.5, 1.0)
    rows = sample_pairs(shard, always_short, 20 + special_tokens(always_short), [0])
    targets = rows.a_length[rows.a_start % 30 == 0]
    counts = np.bincount(targets, minlength=21)
    assert not counts[:2].any()
    assert len(counts) == 21
    assert np.abs(counts[2:] - 200).max() < 4 * np.sqrt(200)


def test_the_share_of_short_passes_is_as_asked_for():
    shard = make_shard([[1] * 20] * 4000)
    rows = sample_pairs(shard, PairSampling(False, 0.5, 0.1), 22, [0])
    short = (rows.a_length[rows.a_start % 20 == 0] < 20).mean()
    expected = 0.1 * 18 / 19
    assert abs(short - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)


def pop_loop(a, b, most):
    """Shorten as Google does; return the lengths."""
    while a + b > most:
        if a > b:
            a -= 1
        else:
            b -= 1
    return a, b


@pytest.mark.parametrize("most", [2, 3, 7, 10, 16, 30])
def test_truncation_leaves_the_lengths_of_googles_loop(most):
    lengths = [(a, b) for a in range(1, 17) for b in range(1, 17)]
    table = np.array([(100, 100 + a, 200, 200 + b, 1) for a, b in lengths])
    pairs = _truncate(table, most, np.random.default_rng(0))
    found = list(zip(pairs.a_length.tolist(), pairs.b_length.tolist(), strict=True))
    assert found == [pop_loop(a, b, most) for a, b in lengths]
    np.testing.assert_array_equal(pairs.truncated, [a + b > most for a, b in lengths])
    assert (pairs.a_start >= 100).all()
    assert (pairs.a_start + pairs.a_length <= table[:, 1]).all()
    assert (pairs.b_start >= 200).all()
    assert (pairs.b_start + pairs.b_length <= table[:, 3]).all()


def test_truncation_takes_each_token_from_either_end_with_equal_chance():
    table = np.array([(0, 20, 100, 110, 1)] * 10_000)
    pairs = _truncate(table, 20, np.random.default_rng(0))  # 10 tokens off A
    cuts = np.bincount(pairs.a_start, minlength=11)
    binomial = np.array([1, 10, 45, 120, 210, 252, 210, 120, 45, 10, 1]) / 1024 * 10_000
    assert (np.abs(cuts - binomial) < 5 * np.sqrt(binomial) + 1).all()
    assert (pairs.b_start == 100).all()


def assert_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_table_is_a_pure_function_of_the_seed(shard, pairs):
    np.random.seed(5)
    random.seed(5)
    assert_equal(sample_pairs(shard, GOOGLE, 64, [0]), pairs)
    tables = [sample_pairs(shard, GOOGLE, 64, seed) for seed in ([0], [1], [0, 1], [1, 0, 1])]
    assert len({table.a_start.tobytes() + table.b_start.tobytes() for table in tables}) == 4


def test_a_pass_over_some_documents_has_no_a_from_others(shard):
    some = range(0, 150, 7)
    pairs = sample_pairs(shard, GOOGLE, 64, [0], some)
    assert set(document_of(shard, pairs.a_start).tolist()) == set(some)
    assert len(set(document_of(shard, pairs.b_start[~pairs.is_next]).tolist()) - set(some)) > 10


def test_taking_rows_takes_them_of_every_column(pairs):
    taken = pairs.take(np.array([3, 0, 3]))
    assert isinstance(taken, Pairs)
    for column, whole in zip(taken, pairs, strict=True):
        np.testing.assert_array_equal(column, whole[[3, 0, 3]])


def test_without_next_sentence_prediction_rows_are_runs_of_sentences():
    shard = make_shard([[5] * 10, [5] * 3, [7]])
    rows = sample_pairs(shard, ONE_SEGMENT, 20 + 2, [0])
    np.testing.assert_array_equal(rows.a_start, [0, 20, 40, 50, 65])
    np.testing.assert_array_equal(rows.a_length, [20, 20, 10, 15, 7])
    assert not rows.b_length.any()
    assert rows.is_next.all()
    assert not rows.truncated.any()


def test_without_next_sentence_prediction_long_rows_are_cut():
    shard = make_shard([[50, 60], [3]])
    rows = sample_pairs(shard, ONE_SEGMENT, 22, [0])
    np.testing.assert_array_equal(rows.a_length, [20, 20, 3])
    np.testing.assert_array_equal(sentence_of(shard, rows.a_start), [0, 1, 2])
    np.testing.assert_array_equal(sentence_of(shard, rows.a_start + rows.a_length - 1), [0, 1, 2])
    np.testing.assert_array_equal(rows.truncated, [True, True, False])


def test_one_document_is_refused_unless_next_sentence_prediction_is_off():
    shard = make_shard([[5, 5, 5]])
    split = Split("train", 1, 3, 15, 1.0, 7, 0.1, (shard,))
    row = RowFormat(16, 0, 1, 2)
    with pytest.raises(DataError, match="holds one document.*pairs.next_sentence=False"):
        PretrainingRows(split, GOOGLE, row, [0])
    batch = PretrainingRows(split, ONE_SEGMENT, row, [0])(np.arange(1))
    assert batch.attention_mask.sum() > 2


@pytest.mark.parametrize("name", ["random_next_probability", "short_sequence_probability"])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_probability_out_of_range_is_refused(name, value):
    values = {"random_next_probability": 0.5, "short_sequence_probability": 0.1, name: value}
    with pytest.raises(ValueError, match=f"{name}={value} must be in"):
        PairSampling(True, **values)
