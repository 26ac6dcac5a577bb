import random

import numpy as np
import pytest

from bert_jax.data.wordpiece import WordPiece
from bert_jax.errors import ConfigError, DataError
from bert_jax.tasks.examples import TaggedSentence
from bert_jax.tasks.tagging import find_classes, tagging_features, tags_of_words

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b", ".", "我"]
UNK, CLS, SEP, A, B, MORE_A, MORE_B, STOP, WO = 1, 2, 3, 5, 6, 7, 8, 9, 10
TOKENIZER = WordPiece(PIECES, lower_case=True)
CLASSES = ("O", "B-x", "I-x")


def sentence(words, tags=None, place="train.conll:7"):
    return TaggedSentence(place, tuple(words.split(" ")), tags and tuple(tags.split()))


def test_the_first_piece_is_scored_and_the_rest_are_not():
    found = tagging_features([sentence("Aab b 我", "B-x I-x O")], TOKENIZER, CLASSES, 16)
    assert found.input_ids == [[CLS, A, MORE_A, MORE_B, B, WO, SEP]]
    assert found.token_type_ids == [[0] * 7]
    assert found.targets["word_starts"] == [[1, 4, 5]]
    assert found.targets["tags"] == [[-100, 1, -100, -100, 2, 0, -100]]


@pytest.mark.parametrize("word", ["\u200d", "\ufffd", "\u0301", "z"])
def test_a_word_without_pieces_is_scored_as_unknown(word):
    found = tagging_features([sentence(f"a {word} b", "O B-x O")], TOKENIZER, CLASSES, 16)
    assert found.input_ids == [[CLS, A, UNK, B, SEP]]
    assert found.targets["tags"] == [[-100, 0, 1, 0, -100]]


def test_literal_specials_are_text():
    found = tagging_features([sentence("[SEP]")], TOKENIZER, CLASSES, 16)
    assert found.input_ids[0].count(SEP) == 1


def test_a_word_longer_than_a_row_is_cut():
    found = tagging_features([sentence("a aaaaaa b", "O B-x O")], TOKENIZER, CLASSES, 5)
    assert found.input_ids == [[CLS, A, SEP], [CLS, A, MORE_A, MORE_A, SEP], [CLS, B, SEP]]
    assert found.targets["tags"] == [[-100, 0, -100], [-100, 1, -100, -100, -100], [-100, 0, -100]]
    assert found.rows.tolist() == [0, 0, 0] and found.rows.dtype == np.int32


def test_a_row_ends_at_a_pause_in_its_second_half():
    rows = tagging_features([sentence("a . b b . a b b")], TOKENIZER, CLASSES, 9).input_ids
    assert rows == [[CLS, A, STOP, B, B, STOP, SEP], [CLS, A, B, B, SEP]]
    early = tagging_features([sentence("a . b b a a b b")], TOKENIZER, CLASSES, 9).input_ids
    assert early == [[CLS, A, STOP, B, B, A, A, B, SEP], [CLS, B, SEP]]


def test_rows_hold_every_word_once_and_fit():
    """Over random sentences and lengths: the pieces in order, and the tags read back."""
    draw = random.Random(0)
    for max_length in [*range(3, 12), 40]:
        sentences = []
        for _ in range(40):
            words = ["".join(draw.choices("ab", k=draw.randint(1, 9))) for _ in range(30)]
            words = [draw.choice([word, word, ".", "我"]) for word in words]
            words = words[: draw.randint(1, 30)]
            sentences.append(
                sentence(" ".join(words), " ".join(draw.choices(CLASSES, k=len(words))))
            )
        found = tagging_features(sentences, TOKENIZER, CLASSES, max_length)
        assert all(3 <= len(ids) <= max_length for ids in found.input_ids)
        assert sorted(found.rows.tolist()) == found.rows.tolist()
        for number, whole in enumerate(sentences):
            text = [
                w
                for word in whole.words
                for w in TOKENIZER.encode_batch([word])[0][: max_length - 2]
            ]
            rows = [
                ids[1:-1]
                for ids, row in zip(found.input_ids, found.rows, strict=True)
                if row == number
            ]
            assert sum(rows, []) == text
        starts = found.targets["word_starts"]
        tags = found.targets["tags"]
        assert all(
            [i for i, tag in enumerate(row) if tag != -100] == places
            for places, row in zip(starts, tags, strict=True)
        )
        predicted = [
            [row[i] for i in places] + [2] * 3 for places, row in zip(starts, tags, strict=True)
        ]
        assert tags_of_words(found, predicted, sentences, CLASSES) == [
            list(s.tags) for s in sentences
        ]


def test_hidden_tags_give_rows_without_that_target():
    tagged, hidden = sentence("a b", "O O"), sentence("a b")
    known = tagging_features([tagged], TOKENIZER, CLASSES, 8)
    found = tagging_features([hidden], TOKENIZER, CLASSES, 8)
    assert found.input_ids == known.input_ids
    assert found.targets == {"word_starts": [[1, 2]]}
    assert tags_of_words(found, np.array([[1, 2, 0]]), [hidden], CLASSES) == [["B-x", "I-x"]]


def test_classes_are_complete_for_the_types_in_training():
    sentences = [sentence("a b", "O B-z"), sentence("a b", "I-y O"), sentence("a")]
    assert find_classes(sentences, "iob2") == ("O", "B-y", "I-y", "B-z", "I-z")
    assert len(find_classes(sentences, "iobes")) == 9


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        DataError, match=r"dev:3, word 2: unknown label 'B-q'; the labels are O, B-x"
    ):
        tagging_features([sentence("a a", "O B-q", "dev:3")], TOKENIZER, CLASSES, 8)
    with pytest.raises(DataError, match=r"train.conll:7: no entity in 2 sentences"):
        find_classes([sentence("a", "O")] * 2, "iob2")
    with pytest.raises(ConfigError, match="max_seq_length: got 2"):
        tagging_features([sentence("a")], TOKENIZER, CLASSES, 2)
