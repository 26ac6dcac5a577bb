import pytest

from bert_jax.errors import DataError
from bert_jax.tasks.examples import Answer, Question
from bert_jax.tasks.squad_metric import normalize, score_answers, score_each


def ask(id, *answers, impossible=False):
    return Question(id, "?", "", tuple(Answer(text, -1) for text in answers), impossible)


def score(rule, answers, text):
    (found,) = score_each([ask("q", *answers)], {"q": text}, rule)
    return found


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("The Cat", "cat"),
        ("a theatre, an apple", "theatre apple"),  # "the" inside a word stays
        ("thea nthe atoms", "thea nthe atoms"),
        ("the-cat", "thecat"),  # punctuation goes before articles, and leaves no blank
        ("U.S.A.", "usa"),
        ("$1,000.50", "100050"),
        ("don't", "dont"),
        ("A-1", "a1"),
        ("“The” end…", "“ ” end…"),  # only ASCII is punctuation, but \b sees the article
        ("l’a—the", "l’ —"),
        ("thé à", "thé à"),  # letters with accents are letters
        ("a\u00a0 b\t\n\u3000c", "b c"),  # any blank of Unicode
        ("The A An", ""),
        ("!?", ""),
        ("İ", "i\u0307"),
        ("北京 the", "北京"),
        ("北京the", "北京the"),
    ],
)
def test_normalisation_is_the_official_one(text, wanted):
    assert normalize(text) == wanted


@pytest.mark.parametrize(
    "answers, text, wanted",
    [
        (["Paris"], "paris.", (1, 1)),
        (["in Paris"], "Paris", (0, 2 / 3)),
        (["a b c d"], "c d e", (0, 2 / 3)),  # "a" is an article: 2 of 3, 2 of 3
        (["x x y"], "x y y", (0, 2 / 3)),  # words count as often as both have them
        (["one", "two three", "three"], "two", (0, 2 / 3)),  # the best answer for F1
        (["no", "Yes"], "yes", (1, 1)),
        (["Yes we can", "no"], "no we", (0, 2 / 3)),
        (["Paris"], "", (0, 0)),
        (["Paris"], "the", (0, 0)),
        (["The"], "a", (1, 0)),  # both are empty: equal, but without a word in common
        (["50 %"], "50%", (1, 1)),
        (["20th century"], "20th-century", (0, 0)),
        (["“Paris”"], "Paris", (0, 0)),
    ],
)
def test_squad1_by_hand(answers, text, wanted):
    assert score("squad1", answers, text) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "answers, text, wanted",
    [
        (["Paris"], "the Paris", (1, 1)),
        (["in Paris"], "Paris", (0, 2 / 3)),
        (["Paris"], "", (0, 0)),
        (["The"], "a", (1, 1)),  # an answer that is empty wants an empty text
        (["The", "Paris"], "", (0, 0)),  # beside another it does not count
        (["The", "Paris"], "Paris", (1, 1)),
        (["The"], "Paris", (0, 0)),
    ],
)
def test_squad2_by_hand(answers, text, wanted):
    assert score("squad2", answers, text) == pytest.approx(wanted)


@pytest.mark.parametrize("text, wanted", [("", 1), ("!", 1), ("Paris", 0)])
def test_impossible_questions_want_no_text(text, wanted):
    question = ask("q", impossible=True)
    assert score_each([question], {"q": text}, "squad2") == [(wanted, wanted)]


@pytest.mark.parametrize(
    "answers, text, wanted",
    [
        (["光荣和ω-force"], "光荣和Ω－FORCE", (1, 1)),  # case and listed marks do not count
        (["北京大学"], "北京", (0, 2 / 3)),
        (["北京大学"], "北大学", (0, 4 / 7)),  # one stretch of two: 2 of 3, 2 of 4
        (["在北京，上海"], "北京上海。", (0, 8 / 9)),
        (["1992年4月"], "1992年", (0, 2 / 3)),  # a number is one part
        (["1992年"], "19年", (0, 1 / 2)),
        (["3.5万", "1,000人"], "1,000", (0, 2 / 3)),
        (
            ["Henry A. Walsh"],
            "henry a.",
            (0, 1 / 3),
        ),  # at an end a full stop is a part: henry, a, .
        (["Henry A. Walsh"], "a. walsh", (0, 4 / 5)),
        (["见nature."], "nature", (0, 1 / 2)),
        (["(上)"], "上", (0, 1 / 2)),  # brackets of ASCII are parts
        (["《红楼梦》"], "红楼梦", (1, 1)),
        (["等等……"], "等等", (0, 4 / 5)),  # an ellipsis is not removed
        (["北京"], "", (0, 0)),
        (["甲乙", "丙丁戊"], "丁戊", (0, 4 / 5)),
    ],
)
def test_cmrc_by_hand(answers, text, wanted):
    assert score("cmrc", answers, text) == pytest.approx(wanted)


def test_means_are_in_percent_and_a_missing_answer_scores_nothing():
    questions = [ask("1", "Paris"), ask("2", "in Paris"), ask("3", "x")]
    found = score_answers(questions, {"1": "Paris", "2": "Paris"}, "squad1")
    assert found == pytest.approx({"exact_match": 100 / 3, "f1": 500 / 9})


def test_squad2_tells_the_two_kinds_of_questions_apart():
    questions = [ask("1", "in Paris"), ask("2", impossible=True), ask("3", impossible=True)]
    found = score_answers(questions, {"1": "Paris", "2": "", "3": "x"}, "squad2")
    assert found == pytest.approx(
        {
            "exact_match": 100 / 3,
            "f1": 500 / 9,
            "has_answer_exact_match": 0,
            "has_answer_f1": 200 / 3,
            "no_answer_exact_match": 50,
            "no_answer_f1": 50,
        }
    )
    assert "no_answer_f1" not in score_answers(questions[:1], {}, "squad2")


@pytest.mark.parametrize("rule", ["squad1", "squad2", "cmrc"])
def test_hidden_answers_cannot_be_scored(rule):
    with pytest.raises(DataError, match="question 'q' has no answers"):
        score_answers([ask("q")], {"q": "x"}, rule)
