import json

import numpy as np
import pytest

from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.errors import ConfigError
from bert_jax.tasks.answers import AnswerConfig, find_answers, prediction_files
from bert_jax.tasks.examples import Question
from bert_jax.tasks.windows import WindowConfig, make_windows

TOKENIZER = WordPiece([*SPECIAL_TOKENS, *"abcdefgh"], lower_case=True)
PADDED = 16


def ask(context, id="q"):
    return Question(id, "a", context, (), False)


def windows_of(questions, length=10, stride=3):
    config = WindowConfig(max_seq_length=length, doc_stride=stride, max_query_length=1)
    return make_windows(questions, TOKENIZER, config, training=False)


def flat_logits(windows):
    shape = (len(windows.features.input_ids), PADDED)
    return np.zeros(shape, np.float32), np.zeros(shape, np.float32)


def only(windows, question, starts, ends, **fields):
    (prediction,) = find_answers([question], windows, starts, ends, AnswerConfig(**fields))
    return prediction


def enumerate_answers(question, windows, rows, starts, ends, longest):
    """Every span of every window, by its definition: text to the best sum."""
    tokens = windows.contexts[0]
    found = {}
    for row in rows:
        place, begin, length = windows.places[row], windows.begins[row], windows.lengths[row]
        for first in range(length):
            context = [
                (min(begin_ + n - 1 - t, t - begin_), -other)
                if begin_ <= t < begin_ + n
                else (-1.0, -other)
                for other, (begin_, n) in enumerate(
                    zip(windows.begins, windows.lengths, strict=True)
                )
                for t in [begin + first]
            ]
            if -max(context)[1] != row:
                continue
            for last in range(first, min(first + longest, length)):
                text = question.context[tokens.starts[begin + first] : tokens.ends[begin + last]]
                score = float(starts[row][place + first]) + float(ends[row][place + last])
                found[text] = max(score, found.get(text, -np.inf))
    return sorted(found.items(), key=lambda item: -item[1])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("longest", [1, 3, 30])
def test_answers_are_those_of_a_full_search(seed, longest):
    rng = np.random.default_rng(seed)
    question = ask(" ".join(rng.choice(list("abcdefgh"), rng.integers(1, 25))))
    windows = windows_of([question], stride=int(rng.integers(1, 8)))
    starts, ends = (rng.normal(size=s.shape).astype(np.float32) for s in flat_logits(windows))
    prediction = only(windows, question, starts, ends, max_answer_length=longest, n_best=5)
    rows = range(len(starts))
    wanted = enumerate_answers(question, windows, rows, starts, ends, longest)
    found = [(c.text, c.start_logit + c.end_logit) for c in prediction.candidates]
    assert found == wanted[:5]
    weights = np.exp([score for _, score in wanted[:5]])
    np.testing.assert_allclose(
        [c.probability for c in prediction.candidates], weights / weights.sum(), rtol=1e-12
    )
    null = min(float(starts[row][0]) + float(ends[row][0]) for row in rows)
    assert prediction.null_odds == pytest.approx(null - wanted[0][1], abs=1e-12)


def test_a_start_counts_in_the_window_that_shows_most_around_it():
    question = ask("a b c d e f g h a b")  # 10 tokens; windows of 6 from 0, 3 and 4 on
    windows = windows_of([question], stride=4)
    assert windows.begins.tolist() == [0, 4]
    starts, ends = flat_logits(windows)
    starts[0, 3 + 5] = 50.0  # token 5, at the edge of the first window
    assert only(windows, question, starts, ends).candidates[0].start_logit == 0.0
    starts[1, 3 + 1] = 40.0  # the same token, with one more before it in the second
    best = only(windows, question, starts, ends).candidates[0]
    assert (best.text[0], best.start_logit) == ("f", 40.0)


def test_neither_question_nor_specials_nor_padding_are_answers():
    question = ask("b c")
    windows = windows_of([question])
    starts, ends = flat_logits(windows)
    for place in (0, 1, 2, 5, 6):  # [CLS] a [SEP] b c [SEP] padding
        starts[:, place] = ends[:, place] = 99.0
    prediction = only(windows, question, starts, ends)
    assert {c.text for c in prediction.candidates} == {"b", "c", "b c"}
    assert prediction.null_odds == 198.0


def test_an_answer_keeps_the_spelling_of_the_text():
    question = ask("  A\t B, c")
    windows = windows_of([question])
    starts, ends = flat_logits(windows)
    starts[0, 3], ends[0, 4] = 9.0, 9.0
    assert only(windows, question, starts, ends).candidates[0].text == "A\t B"


def test_the_threshold_decides_between_the_text_and_no_answer():
    question = ask("b c")
    windows = windows_of([question])
    starts, ends = flat_logits(windows)
    starts[0, 0], starts[0, 3], ends[0, 3] = 4.0, 2.0, 1.0
    prediction = only(windows, question, starts, ends, may_be_impossible=True, n_best=1)
    assert [c.text for c in prediction.candidates] == ["", "b"]
    assert sum(c.probability for c in prediction.candidates) == pytest.approx(1)
    assert prediction.null_odds == 1.0
    assert (prediction.text(0.5), prediction.text(1.0)) == ("", "b")
    assert prediction.best_text() == "b"


def test_the_least_null_score_of_the_windows_counts():
    question = ask("a b c d e f g h a b")
    windows = windows_of([question], stride=4)
    starts, ends = flat_logits(windows)
    starts[0, 0], starts[1, 0] = 7.0, 3.0
    assert only(windows, question, starts, ends).null_odds == 3.0


def test_a_context_without_tokens_has_the_empty_answer():
    questions = [ask("", "none"), ask("b", "some")]
    windows = windows_of(questions)
    starts, ends = flat_logits(windows)
    none, some = find_answers(questions, windows, starts, ends, AnswerConfig())
    assert [(c.text, c.probability) for c in none.candidates] == [("", 1.0)]
    assert (none.text(0.0), some.text(0.0)) == ("", "b")


def test_files_are_those_that_the_official_scripts_read():
    questions = [ask("b c", "1"), ask("d", "2")]
    windows = windows_of(questions)
    starts, ends = flat_logits(windows)
    starts[0, 3], starts[1, 0] = 3.0, 2.0
    config = AnswerConfig(n_best=1, may_be_impossible=True)
    predictions = find_answers(questions, windows, starts, ends, config)
    files = json.loads(json.dumps(prediction_files(questions, predictions, 1.5)))
    assert files["predictions.json"] == {"1": "b", "2": ""}
    assert files["null_odds.json"] == {"1": -3.0, "2": 2.0}
    best = files["nbest_predictions.json"]["2"][0]
    assert best == {
        "text": "",
        "probability": pytest.approx(np.exp(2) / (np.exp(2) + 1)),
        "start_logit": 2.0,
        "end_logit": 0.0,
    }
    files = prediction_files(questions, predictions, None)
    assert files.keys() == {"predictions.json", "nbest_predictions.json"}
    assert files["predictions.json"] == {"1": "b", "2": "d"}


def test_the_same_text_at_many_places_is_one_answer():
    question = ask("b " * 15 + "c")
    windows = windows_of([question], length=20)
    starts, ends = np.zeros((1, 20), np.float32), np.zeros((1, 20), np.float32)
    starts[0, 3:18] = ends[0, 3:18] = np.arange(15) + 10.0
    prediction = only(windows, question, starts, ends, n_best=2, max_answer_length=1)
    assert [(c.text, c.start_logit) for c in prediction.candidates] == [("b", 24.0), ("c", 0.0)]


@pytest.mark.parametrize("name", ["n_best", "max_answer_length"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ConfigError, match=f"{name}: got 0, wants 1 or more"):
        AnswerConfig(**{name: 0})
