import types

import numpy as np
import pytest

from bert_jax.data.samples import Sample, choose_samples
from bert_jax.data.shards import Split

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "cat",
    "sat",
    "play",
    "##ing",
    ",",
    "7",
]
IDS = {piece: id for id, piece in enumerate(PIECES)}
TOKENIZER = types.SimpleNamespace(
    kind="wordpiece", id_to_token=PIECES.__getitem__, cls_id=IDS["[CLS]"], sep_id=IDS["[SEP]"]
)


def split_of(*sentences):
    ids = [[IDS[piece] for piece in sentence.split()] for sentence in sentences]
    shard = types.SimpleNamespace(
        tokens=np.array([id for sentence in ids for id in sentence], np.uint16),
        sentence_offsets=np.cumsum([0, *map(len, ids)]).astype(np.uint32),
        document_offsets=np.array([0, len(ids)], np.uint32),
    )
    return Split("validation", 1, len(ids), len(shard.tokens), 1.0, 5, 0.5, (shard,))


def many_sentences(count=60):
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(PIECES[5:], length)) for length in rng.integers(8, 33, count)]


def test_a_sample_is_a_sentence_between_cls_and_sep():
    sentence = "a cat sat , a cat sat ,"
    (sample,) = choose_samples(split_of(sentence), TOKENIZER, 3, 0)
    ids = [IDS[piece] for piece in sentence.split()]
    assert sample.input_ids == (IDS["[CLS]"], *ids, IDS["[SEP]"])


def test_two_words_are_hidden_in_order():
    samples = choose_samples(split_of(*many_sentences()), TOKENIZER, 20, 0)
    assert len(samples) == 20
    for sample in samples:
        first, second = sample.positions
        assert 0 < first < second < len(sample.input_ids) - 1


def test_only_whole_words_are_hidden():
    split = split_of("play ##ing [UNK] , 7 cat [UNK] play ##ing a sat a [MASK]")
    hidden = set()
    for seed in range(40):
        (sample,) = choose_samples(split, TOKENIZER, 1, seed)
        assert len(set(sample.positions)) == 2
        hidden.update(sample.positions)
    assert hidden == {6, 10, 11, 12}  # cat, a, sat, a; [CLS] stands before them


def test_a_sentence_with_fewer_than_four_words_is_passed_over():
    split = split_of("a cat sat , , , , , ,", "play ##ing play ##ing play ##ing play ##ing")
    assert choose_samples(split, TOKENIZER, 3, 0) == []


@pytest.mark.parametrize(("length", "chosen"), [(7, 0), (8, 1), (32, 1), (33, 0)])
def test_a_sentence_has_eight_to_thirty_two_tokens(length, chosen):
    split = split_of(" ".join(["cat"] * length))
    assert len(choose_samples(split, TOKENIZER, 3, 0)) == chosen


def test_no_sentence_is_chosen_twice():
    sentences = many_sentences()
    assert len(set(sentences)) == len(sentences)
    samples = choose_samples(split_of(*sentences), TOKENIZER, 40, 0)
    assert len({sample.input_ids for sample in samples}) == 40


def test_the_same_seed_chooses_the_same_and_another_seed_others():
    split = split_of(*many_sentences())
    first = choose_samples(split, TOKENIZER, 5, 0)
    assert choose_samples(split, TOKENIZER, 5, 0) == first
    assert choose_samples(split, TOKENIZER, 5, 1) != first


def test_positions_are_plain_numbers():
    (sample,) = choose_samples(split_of("a cat sat , a cat sat ,"), TOKENIZER, 1, 0)
    assert isinstance(sample, Sample)
    assert {type(value) for value in (*sample.input_ids, *sample.positions)} == {int}


def test_sentencepiece_marks_where_words_begin_and_ideographs_need_no_mark():
    pieces = ["[CLS]", "[SEP]", "▁play", "ing", "▁cat", "▁", "猫", "坐", ",", "▁a"]
    tokenizer = types.SimpleNamespace(
        kind="sentencepiece", id_to_token=pieces.__getitem__, cls_id=0, sep_id=1
    )
    ids = [2, 3, 4, 6, 7, 8, 9, 8, 5, 4]  # play|ing cat 猫 坐 , a , _ cat
    shard = types.SimpleNamespace(
        tokens=np.array(ids, np.uint16),
        sentence_offsets=np.array([0, len(ids)], np.uint32),
        document_offsets=np.array([0, 1], np.uint32),
    )
    split = Split("validation", 1, 1, len(ids), 1.0, 5, 0.5, (shard,))
    hidden = {
        p for seed in range(60) for p in choose_samples(split, tokenizer, 1, seed)[0].positions
    }
    assert hidden == {3, 4, 5, 7, 10}


def test_no_sample_is_longer_than_the_model_has_positions():
    split = split_of(*many_sentences())
    lengths = [len(s.input_ids) for s in choose_samples(split, TOKENIZER, 20, 0)]
    short = [len(s.input_ids) for s in choose_samples(split, TOKENIZER, 20, 0, min(lengths))]
    assert max(lengths) > min(lengths) and short and set(short) == {min(lengths)}
