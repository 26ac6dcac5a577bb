import numpy as np
import pytest

from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.errors import ConfigError, DataError
from bert_jax.tasks.examples import Answer, Question
from bert_jax.tasks.windows import WindowConfig, make_windows

LETTERS = "abcdefghijklmnopqrst"
TOKENIZER = WordPiece([*SPECIAL_TOKENS, *LETTERS], lower_case=True)
CONTEXT = " ".join(LETTERS)  # 20 tokens, token i at character 2i
CONFIG = WindowConfig(max_seq_length=12, doc_stride=3, max_query_length=2)


def ask(*answers, question="a b", context=CONTEXT, impossible=False, id="q"):
    return Question(id, question, context, answers, impossible)


def windows_of(*questions, config=CONFIG, training=False):
    return make_windows(questions, TOKENIZER, config, training=training)


def test_windows_begin_a_stride_apart_and_reach_the_end():
    windows = windows_of(ask())
    cls, sep = TOKENIZER.cls_id, TOKENIZER.sep_id
    context = TOKENIZER.encode_batch([CONTEXT])[0]
    assert windows.begins.tolist() == [0, 3, 6, 9, 12, 15]  # 12 - [CLS] a b [SEP] [SEP] = 7
    assert windows.lengths.tolist() == [7, 7, 7, 7, 7, 5]
    for i, (begin, length) in enumerate(zip(windows.begins, windows.lengths, strict=True)):
        shown = context[begin : begin + length]
        assert windows.features.input_ids[i] == [cls, 5, 6, sep, *shown, sep]
        assert windows.features.token_type_ids[i] == [0] * 4 + [1] * (length + 1)
        assert windows.places[i] == 4
    assert windows.features.targets == {}


def test_a_context_that_fits_has_one_window_and_an_empty_one_too():
    windows = windows_of(ask(context=CONTEXT[:13]), ask(context=""))
    assert windows.features.rows.tolist() == [0, 1]
    assert windows.lengths.tolist() == [7, 0]
    sep = TOKENIZER.sep_id
    assert windows.features.input_ids[1] == [TOKENIZER.cls_id, 5, 6, sep, sep]


def test_a_stride_longer_than_a_window_leaves_no_token_out():
    config = WindowConfig(max_seq_length=12, doc_stride=100, max_query_length=2)
    windows = windows_of(ask(), config=config)
    assert windows.begins.tolist() == [0, 7, 14]


def test_long_questions_lose_their_end():
    (row, *_) = windows_of(ask(question="t s r q")).features.input_ids
    assert [TOKENIZER.id_to_token(i) for i in row[:4]] == ["[CLS]", "t", "s", "[SEP]"]


def test_targets_are_the_first_placed_answer_where_all_of_it_is_shown():
    question = ask(Answer("zzz", -1), Answer("i j k", 16), Answer("a", 0))
    windows = windows_of(question, training=True)
    spans = windows.features.targets["span"]
    assert spans.dtype == np.int32
    # Tokens 8 to 10: not all in 3 to 9, in 6 to 12, not all in 9 to 15.
    assert spans.tolist() == [[0, 0], [0, 0], [6, 8], [0, 0], [0, 0], [0, 0]]
    for (first, last), row in zip(spans, windows.features.input_ids, strict=True):
        if first:
            assert [TOKENIZER.id_to_token(i) for i in row[first : last + 1]] == ["i", "j", "k"]


def test_training_takes_impossible_questions_and_leaves_out_those_without_a_place():
    questions = [
        ask(Answer("x", -1)),
        ask(impossible=True),
        ask(Answer(" ", 1)),
        ask(Answer("a", 0)),
    ]
    training = windows_of(*questions, training=True)
    assert set(training.features.rows.tolist()) == {1, 3}
    assert not training.features.targets["span"][training.features.rows == 1].any()
    assert set(windows_of(*questions).features.rows.tolist()) == {0, 1, 2, 3}
    with pytest.raises(DataError, match="no question to train on: of 1 none"):
        windows_of(questions[0], training=True)


def test_questions_to_one_text_share_its_tokens():
    windows = windows_of(ask(), ask(question="c"))
    assert windows.contexts[0] is windows.contexts[1]


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"max_seq_length": 67}, "max_seq_length: 67 leaves no room"),
        ({"doc_stride": 0}, "doc_stride: got 0, wants 1 or more"),
        ({"max_query_length": 0}, "max_query_length: got 0"),
    ],
)
def test_lengths_that_cannot_be_are_refused(fields, message):
    WindowConfig(max_seq_length=68)
    with pytest.raises(ConfigError, match=message):
        WindowConfig(**fields)
