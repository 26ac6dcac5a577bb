import random

import pytest

from bert_jax.tasks.entities import EntityScore, score_entities
from bert_jax.tasks.schemes import find_entities

TAGS = [["B-A", "I-A", "O", "B-B"], ["O", "B-A", "O", "O"]]


def test_scores_by_hand():
    """Right: the B. Wrong: an A one word short, an A of the wrong type, an A that is not there."""
    predicted = [["B-A", "O", "O", "B-B"], ["O", "B-B", "O", "B-A"]]
    total, by_type = score_entities(TAGS, predicted)
    assert total == EntityScore(precision=1 / 4, recall=1 / 3, f1=pytest.approx(2 / 7), entities=3)
    assert by_type == {
        "A": EntityScore(0.0, 0.0, 0.0, 2),
        "B": EntityScore(1 / 2, 1.0, pytest.approx(2 / 3), 1),
    }


def test_an_entity_that_begins_with_i_counts_unless_told_otherwise():
    predicted = [["I-A", "I-A", "O", "B-B"], ["O", "B-A", "O", "O"]]
    assert score_entities(TAGS, predicted)[0].f1 == 1
    strict = score_entities(TAGS, predicted, strict_scheme="iob2")[0]
    assert (strict.precision, strict.recall) == (1.0, pytest.approx(2 / 3))


def test_both_ways_agree_where_no_scheme_is_broken():
    tags = [["B-A", "E-A", "S-B", "O", "S-A"]]
    predicted = [["S-A", "O", "S-B", "O", "S-B"]]
    assert score_entities(tags, predicted) == score_entities(tags, predicted, strict_scheme="iobes")
    assert score_entities(tags, predicted)[0].precision == pytest.approx(1 / 3)


def test_counts_are_those_of_entities_read_here():
    """Over random tags, broken ones among them."""
    draw = random.Random(0)
    classes = ["O", "B-A", "I-A", "B-B", "I-B"]
    tags, predicted = ([draw.choices(classes, k=n) for n in range(1, 30)] for _ in range(2))
    right = given = said = 0
    for a, b in zip(tags, predicted, strict=True):
        a, b = set(find_entities(a)), set(find_entities(b))
        right, given, said = right + len(a & b), given + len(a), said + len(b)
    total, _ = score_entities(tags, predicted)
    assert right and total.entities == given
    assert (total.precision, total.recall) == (right / said, right / given)


@pytest.mark.parametrize("predicted", [["O", "O"], ["B-A", "O"], ["O", "I-A"]])
def test_scores_are_zero_where_nothing_is_there_or_found(predicted):
    assert score_entities([["O", "O"]], [predicted]) == (EntityScore(0.0, 0.0, 0.0, 0), {})
    total, by_type = score_entities([["B-A", "I-A"]], [["O", "O"]])
    assert total == by_type["A"] == EntityScore(0.0, 0.0, 0.0, 1)
    assert score_entities([["B-A", "O"]], [["O", "I-A"]], strict_scheme="iob2")[0].f1 == 0
