"""Tags as a task: what a model that knows them is given, and what is written."""

import numpy as np
import pytest

from bert_jax.data.lines import ReadReport
from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.errors import DataError
from bert_jax.tasks.conll import ConllFormat, read_conll
from bert_jax.tasks.examples import TaggedSentence
from bert_jax.tasks.tagging_task import tagging_task

TOKENIZER = WordPiece([*SPECIAL_TOKENS, *"abcdef.", "##a", "##b"], lower_case=True)
LENGTH = 7  # the long sentence takes four rows


def sentence(words, tags):
    return TaggedSentence("dev:1", tuple(words.split()), tags and tuple(tags.split()))


SENTENCES = [
    sentence("a bab c", "B-x I-x O"),
    sentence("a b c . d ea f . a ba c . d", "O B-y I-y O B-x O O O O O B-y O B-x"),
    sentence("f", "B-x"),
]
LABELS = ("O", "B-x", "I-x", "B-y", "I-y")


def make_task(head="tagging", **splits):
    splits = {"train": SENTENCES, "validation": SENTENCES} | splits
    return tagging_task("tags", head, splits, ("a note",), TOKENIZER, LENGTH)


def knowing(task, split="validation"):
    """Scores of tokens of a model that knows the tags; where no word begins it says nonsense."""
    scores = []
    for tags in task.features[split].targets["tags"]:
        row = np.zeros((len(tags), len(LABELS)), np.float32)
        row[range(len(tags)), [tag if tag >= 0 else 4 for tag in tags]] = 5.0
        scores.append(row)
    return scores


def paths(task, split="validation"):
    """The same as a chain's best paths: a class a word, padding after them."""
    starts = task.features[split].targets["word_starts"]
    return [
        np.array([*row[places].argmax(axis=1), *[3] * 4])
        for row, places in zip(knowing(task, split), starts, strict=True)
    ]


@pytest.mark.parametrize("make", [knowing, paths])
def test_who_knows_every_tag_gets_1(make):
    task = make_task()
    assert task.labels == LABELS and task.notes == ("a note",)
    assert len(task.features["validation"].input_ids) == 6
    scores = make(task)
    metrics = task.score("validation", scores)
    names = ["f1", "precision", "recall", "accuracy", "f1_x", "f1_y"]
    assert metrics == dict.fromkeys(names, 1.0)
    assert task.primary_metric == "f1" and task.interval("validation", scores) == (1.0, 1.0)
    said = list(task.predictions("validation", scores))
    assert [tuple(line["prediction"]) for line in said] == [s.tags for s in SENTENCES]
    assert [line["words"] for line in said] == [s.words for s in SENTENCES]


def test_a_wrong_tag_costs_an_entity():
    task = make_task()
    scores = knowing(task)
    scores[0][2] = [9.0, 0, 0, 0, 0]  # "bab" is no longer within the entity
    metrics = task.score("validation", scores)
    # Of six entities five are found, and one that is none.
    assert metrics["precision"] == metrics["recall"] == pytest.approx(5 / 6)
    assert metrics["accuracy"] == pytest.approx(16 / 17)
    assert metrics["f1_y"] == 1.0 > metrics["f1_x"]
    low, high = task.interval("validation", scores)
    assert low < 5 / 6 < high <= 1.0


def test_the_file_reads_back_as_what_was_predicted(tmp_path):
    task = make_task()
    ((name, text),) = task.files("validation", knowing(task)).items()
    assert name == "validation_tags.conll"
    path = tmp_path / name
    path.write_text(text)
    found = read_conll(path, ConllFormat(separator="tab", scheme="iob2"), ReadReport())
    assert [(s.words, s.tags) for s in found] == [(s.words, s.tags) for s in SENTENCES]


def test_a_split_whose_tags_are_hidden_is_tagged_and_not_scored():
    task = make_task(test=[TaggedSentence(s.place, s.words, None) for s in SENTENCES])
    assert task.scored_splits == ("validation",)
    assert (
        task.files("test", knowing(task))["test_tags.conll"]
        == (task.files("validation", knowing(task))["validation_tags.conll"])
    )


def test_a_type_not_met_in_training_is_refused():
    with pytest.raises(DataError, match="dev:1, word 2: unknown label 'B-z'"):
        make_task(validation=[sentence("a b", "O B-z")])
