"""Labelled sentences: that words alone do not give our labels away, and what a bad file says."""

from collections import Counter

import numpy as np
import pytest

from bert_jax.errors import DataError
from bert_jax.probes.labelled import read_labelled
from bert_jax.probes.linear import accuracies


def words(text):
    return text.lower().replace(".", " .").replace(",", " ,").split()


def test_words_alone_tell_nothing_of_the_builtin_labels():
    sentences = read_labelled("builtin")
    known = sorted({word for s in sentences for word in words(s.text)})
    counts = [Counter(words(s.text)) for s in sentences]
    bags = np.array([[count[word] for word in known] for count in counts], np.float32)
    found = accuracies(sentences, bags)
    assert found["linear_sentences"] == len(sentences) == 384
    tasks = {"topic": 4, "tense": 2, "sentiment": 2, "order": 2}
    for task, labels in tasks.items():
        of = Counter(s.label for s in sentences if s.task == task)
        assert set(of.values()) == {96 // labels} and len(of) == labels
        assert found[f"linear_majority/{task}"] == 1 / labels
        if labels == 2:  # sentences come in twos, which differ in words that no other has
            assert found[f"linear_accuracy/{task}"] == 0.5
            bags_of_task = [c for s, c in zip(sentences, counts, strict=True) if s.task == task]
            whole = sum(bags_of_task, Counter())
            for one, other in zip(bags_of_task[::2], bags_of_task[1::2], strict=True):
                telling = (one - other) | (other - one)
                assert telling.total() == (0 if task == "order" else 2)
                assert all(whole[word] == 1 for word in telling)
    assert found["linear_accuracy/topic"] < 0.3
    assert max(len(words(s.text)) for s in sentences) <= 13


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tense\tpast\n", ":1: 2 cells, but 3 columns"),
        ("tense\tpast\tI went.\ntense\t\tI go.\n", ":2: wants task, label, sentence, got 'tense'"),
        ("a\tx\tI go.\na\ty\tI went.\na\ty\tI go.\n", r":3: 'I go.' is in task 'a' at .*own.tsv:1"),
        ("a\tx\tI.\na\tx\tWe.\na\ty\tYou.\n", "task 'a' has 1 sentences of label 'y' and 2 labels"),
        ("a\tx\tI.\na\tx\tWe.\nb\tx\tWe.\n", "task 'a' has 2 sentences of label 'x' and 1 labels"),
        ("\n", "has no lines; wants some of task, tab, label, tab, sentence"),
    ],
)
def test_a_file_that_is_not_of_labelled_sentences_names_its_line(tmp_path, text, said):
    path = tmp_path / "own.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_labelled(str(path))
