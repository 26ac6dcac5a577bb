"""Questions as a task: what a model that knows the answers is given, and what is written."""

import json

import numpy as np
import pytest

from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.errors import DataError
from bert_jax.tasks.answers import AnswerConfig
from bert_jax.tasks.examples import Answer, Question
from bert_jax.tasks.question_task import question_task
from bert_jax.tasks.squad import SquadReport
from bert_jax.tasks.windows import WindowConfig, make_windows

TOKENIZER = WordPiece([*SPECIAL_TOKENS, *"abcdefghijklmnop.", *"我住在北京城"], lower_case=True)
WINDOWS = WindowConfig(max_seq_length=12, doc_stride=4, max_query_length=2)
CONTEXT = "A b c d e f. g h i j k l. m n o p"


def ask(id, text, context=CONTEXT):
    """A question that this text of the context answers; none where it is empty."""
    answers = (Answer(text, context.index(text)),) if text else ()
    return Question(id, "a b", context, answers, impossible=not text)


ANSWERED = [ask("first", "b c"), ask("late", "n o"), ask("short", "d", "c d"), ask("dot", "l.")]
UNANSWERED = [ask("none", ""), ask("none, too", "", "e f")]
CHINESE = [ask("city", "北京城", "我住在北京城"), ask("who", "我", "我住在北京")]


def make_task(questions, rule="squad1", reports=None):
    answers = AnswerConfig(n_best=3, may_be_impossible=rule == "squad2")
    splits = {"train": questions, "validation": questions}
    reports = reports or {split: SquadReport() for split in splits}
    return question_task("asked", rule, splits, reports, TOKENIZER, WINDOWS, answers)


def knowing(questions, sure=None):
    """Scores of a model that knows the answers: high at both ends, at [CLS] where there is none.

    Args:
        questions: what is asked.
        sure: how high, by question; 10 unless told.
    """
    windows = make_windows(questions, TOKENIZER, WINDOWS, training=True).features
    scores = [np.zeros((len(ids), 2), np.float32) for ids in windows.input_ids]
    for row, owner, span in zip(scores, windows.rows, windows.targets["span"], strict=True):
        row[span, [0, 1]] = 10.0 if sure is None else sure[owner]
    return scores


@pytest.mark.parametrize(
    ("questions", "rule"),
    [(ANSWERED, "squad1"), (ANSWERED + UNANSWERED, "squad2"), (CHINESE, "cmrc")],
)
def test_who_knows_every_answer_gets_100(questions, rule):
    task, scores = make_task(questions, rule), knowing(questions)
    assert len(task.features["validation"].input_ids) > len(questions) or rule == "cmrc"
    metrics = task.score("validation", scores)
    assert metrics["f1"] == metrics["exact_match"] == 100.0
    assert task.primary_metric == "f1" and task.interval("validation", scores) == (100.0, 100.0)
    said = {line["id"]: line["prediction"] for line in task.predictions("validation", scores)}
    assert said == {q.id: q.answers[0].text if q.answers else "" for q in questions}


def test_who_knows_half_of_them_gets_half():
    task, scores = make_task(ANSWERED), knowing(ANSWERED)
    for row, owner in zip(scores, task.features["validation"].rows, strict=True):
        if owner >= 2:
            row[:] = 0.0
            row[4:6, [0, 1]] = 1.0  # some two tokens of the context, wherever the window begins
    metrics = task.score("validation", scores)
    assert metrics["exact_match"] == 50.0 and 50.0 <= metrics["f1"] < 100.0
    low, high = task.interval("validation", scores)
    assert low < metrics["f1"] < high <= 100.0


def test_the_interval_is_that_of_the_f1():
    asked = [ask("late", "n o")]
    task, scores = make_task(asked), knowing(asked)
    for row in scores:
        row[:, 1] = row[:, 0]  # the first word of two
    metrics = task.score("validation", scores)
    assert metrics == {"exact_match": 0.0, "f1": pytest.approx(200 / 3)}
    assert task.interval("validation", scores) == (metrics["f1"], metrics["f1"])


def test_files_are_what_the_official_scripts_read():
    questions = ANSWERED + UNANSWERED
    task, scores = make_task(questions, "squad2"), knowing(questions)
    files = {name: json.loads(text) for name, text in task.files("validation", scores).items()}
    answers = {q.id: q.answers[0].text if q.answers else "" for q in questions}
    assert files.keys() == {
        "validation_predictions.json",
        "validation_nbest_predictions.json",
        "validation_null_odds.json",
    }
    assert files["validation_predictions.json"] == answers
    best = files["validation_nbest_predictions.json"]
    assert {id: found[0]["text"] for id, found in best.items()} == answers
    # Beside the three texts, the answer that there is none.
    assert {len(best["first"]), len(best["none"])} == {4}
    odds = files["validation_null_odds.json"]
    assert {id for id, value in odds.items() if value > 0} == {"none", "none, too"}
    assert make_task(ANSWERED).files("validation", knowing(ANSWERED)).keys() == {
        "validation_predictions.json",
        "validation_nbest_predictions.json",
    }


def test_chinese_is_written_as_it_is_read():
    task = make_task(CHINESE, "cmrc")
    assert '"北京城"' in task.files("validation", knowing(CHINESE))["validation_predictions.json"]


def test_the_threshold_is_searched_where_answers_are_known():
    """A model that is sure of no answer everywhere, but most where there is none."""
    questions = ANSWERED + UNANSWERED
    task, scores = make_task(questions, "squad2"), knowing(questions, [1.0] * 4 + [10.0] * 2)
    for row in scores:
        row[0] += 5.0
    metrics = task.score("validation", scores)
    assert metrics["f1"] == 100.0
    odds = json.loads(task.files("validation", scores)["validation_null_odds.json"])
    assert 0 < max(odds[q.id] for q in ANSWERED) <= metrics["null_threshold"]
    assert metrics["null_threshold"] < min(odds[q.id] for q in UNANSWERED)


def test_a_split_whose_answers_are_hidden_is_answered_and_not_scored():
    hidden = [Question(q.id, q.question, q.context, (), False) for q in ANSWERED]
    splits = {"train": ANSWERED, "validation": ANSWERED, "test": hidden}
    reports = {split: SquadReport() for split in splits}
    task = question_task("asked", "squad1", splits, reports, TOKENIZER, WINDOWS, AnswerConfig())
    assert task.scored_splits == ("validation",)
    said = json.loads(task.files("test", knowing(ANSWERED))["test_predictions.json"])
    assert said == {q.id: q.answers[0].text for q in ANSWERED}


def test_what_reading_met_is_told_by_split():
    reports = {"train": SquadReport(), "validation": SquadReport()}
    for report, place in zip(reports.values(), ("train.json: 7", "dev.json: 8"), strict=True):
        for tally in (report.repaired, report.untrainable):
            tally.count, tally.first = 1200, place
    assert make_task(ANSWERED, reports=reports).notes == (
        "train: answers moved to where their text stands: 1,200, the first at train.json: 7",
        "train: questions left out for that: 1,200, the first at train.json: 7",
        "validation: answers moved to where their text stands: 1,200, the first at dev.json: 8",
    )


def test_questions_none_of_which_can_be_trained_on_are_refused():
    with pytest.raises(DataError, match="no question to train on: of 1 none has an answer"):
        make_task([Question("q", "a", CONTEXT, (Answer("z", -1),), False)])


def test_the_threshold_that_was_settled_holds_for_other_splits():
    """A threshold that is searched on the test's own answers would be peeking."""
    task = make_task(ANSWERED + UNANSWERED, "squad2")
    unsure = knowing(ANSWERED + UNANSWERED)
    for row in unsure:  # whoever says none to everything is right for two of six
        row[0] = 20.0
    own = task.score("validation", unsure)
    settled = task.settled(knowing(ANSWERED + UNANSWERED))
    found = settled.score("validation", unsure)
    threshold = task.score("validation", knowing(ANSWERED + UNANSWERED))["null_threshold"]
    assert found["null_threshold"] == threshold != own["null_threshold"]
    assert settled.null_threshold == threshold and task.null_threshold is None
    assert make_task(ANSWERED).settled(knowing(ANSWERED)).null_threshold is None
