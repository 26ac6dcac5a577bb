"""The three schemes; all tag sequences of up to four words are few enough to try."""

import itertools

import numpy as np
import pytest
from seqeval.metrics.sequence_labeling import get_entities

from bert_jax.tasks.schemes import (
    SCHEMES,
    Entity,
    allowed_transitions,
    classes_of,
    convert_tags,
    detect_scheme,
    find_break,
    find_entities,
    is_tag,
    write_tags,
)

ENTITIES = [Entity(0, 2, "A"), Entity(3, 4, "B"), Entity(4, 6, "B"), Entity(6, 7, "A")]
WRITTEN = {
    "iob1": "I-A I-A O I-B B-B I-B I-A",
    "iob2": "B-A I-A O B-B B-B I-B B-A",
    "iobes": "B-A E-A O S-B B-B E-B S-A",
}


def all_sequences(scheme, longest=4):
    classes = classes_of(["A", "B"], scheme)
    for length in range(1, longest + 1):
        yield from itertools.product(classes, repeat=length)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_entities_in_each_scheme(scheme):
    tags = WRITTEN[scheme].split()
    assert find_entities(tags) == ENTITIES
    assert write_tags(ENTITIES, 7, scheme) == tags
    assert find_break(tags, scheme) is None
    for other in SCHEMES:
        assert convert_tags(tags, other) == WRITTEN[other].split()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tags_are_whole_exactly_if_their_entities_are_written_so(scheme):
    whole = 0
    for tags in all_sequences(scheme):
        canonical = write_tags(find_entities(tags), len(tags), scheme)
        assert (find_break(tags, scheme) is None) == (canonical == list(tags))
        whole += canonical == list(tags)
    assert 0 < whole < len(list(all_sequences(scheme)))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_transitions_allow_exactly_the_whole_sequences(scheme):
    classes = classes_of(["A", "B"], scheme)
    index = {tag: i for i, tag in enumerate(classes)}
    start, between, end = allowed_transitions(classes, scheme)
    assert between.shape == (len(classes), len(classes)) and between.dtype == np.bool_
    for tags in all_sequences(scheme, longest=3):
        path = [index[tag] for tag in tags]
        allowed = start[path[0]] and end[path[-1]]
        allowed = allowed and all(between[a, b] for a, b in itertools.pairwise(path))
        assert allowed == (find_break(tags, scheme) is None)


@pytest.mark.parametrize("scheme", ["iob2", "iobes"])
def test_broken_tags_are_read_as_the_library_reads_them(scheme):
    for tags in all_sequences(scheme):
        wanted = [Entity(start, end + 1, type) for type, start, end in get_entities([*tags])]
        assert find_entities(tags) == wanted


def test_where_a_sequence_breaks():
    assert find_break(["O", "B-A", "O", "I-A"], "iob2") == 3
    assert find_break(["I-A", "O"], "iob2") == 0
    assert find_break(["B-A", "I-B"], "iob2") == 1
    assert find_break(["O", "B-A", "I-A"], "iob1") == 1
    assert find_break(["O", "B-A"], "iobes") == 2  # the end of the sentence
    assert find_break(["O", "E-A"], "iob2") == 1  # no tag of the scheme


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_is_detected_in_spite_of_a_broken_sentence(scheme):
    sentences = [WRITTEN[scheme].split()] * 3
    assert detect_scheme(sentences) == scheme
    assert detect_scheme([*sentences, ["B-A", "I-B", "I-A"]]) == scheme
    assert detect_scheme([["O", "O"]]) == "iob2"


def test_tags_and_classes_of_a_scheme():
    assert [
        tag
        for tag in ("O", "B-x-y", "I", "E-A", "B-", "PER", "", "-A", "BI-A")
        if is_tag(tag, "iob2")
    ] == ["O", "B-x-y", "I"]
    assert is_tag("E-A", "iobes")
    assert classes_of({"b", "a"}, "iob2") == ("O", "B-a", "I-a", "B-b", "I-b")
    assert classes_of([""], "iobes") == ("O", "B", "I", "E", "S")
