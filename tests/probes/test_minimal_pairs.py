"""Minimal pairs: that frequencies do not tell them apart, and what a bad file says."""

from collections import Counter

import numpy as np
import pytest

from bert_jax.errors import DataError
from bert_jax.probes.likelihood import shares
from bert_jax.probes.pairs import read_pairs


def words(text):
    return text.lower().replace(".", " .").replace(",", " ,").split()


def test_frequencies_alone_get_half_of_the_builtin_pairs_of_each_phenomenon():
    pairs = read_pairs("builtin")
    assert len(pairs) > 100 and len({p.phenomenon for p in pairs}) == 8
    assert len({p.good for p in pairs} | {p.bad for p in pairs}) == 2 * len(pairs)
    differing = {}
    for pair in pairs:
        good, bad = words(pair.good), words(pair.bad)
        assert len(good) == len(bad), pair
        more, less = Counter(good) - Counter(bad), Counter(bad) - Counter(good)
        assert more.total() == less.total() <= 1, pair
        if more:
            swap = (*more, *less)
            differing.setdefault(pair.phenomenon, Counter())[swap] += 1
    for swaps in differing.values():  # each word as often right as wrong, against the same other
        assert all(swaps[a, b] == swaps[b, a] for a, b in swaps)
    common = Counter(word for pair in pairs for word in words(pair.good))
    texts = [text for pair in pairs for text in (pair.good, pair.bad)]
    counts = [sum(1000 * common[word] + len(word) for word in words(text)) for text in texts]
    found = shares(pairs, np.array(counts, np.float64))
    assert set(found.values()) == {float(len(pairs)), 0.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("order\tA b.\tB a.\norder\tA b.\n", ":2: 2 cells, but 3 columns"),
        ("order\tA b.\tA b.\n", ":1: wants a bad sentence that differs from the good one, 'A b.'"),
        ("order\t \tA b.\n", ":1: wants phenomenon, good, bad, got 'order', '', 'A b.'"),
        ("\n", "has no lines; wants some of phenomenon, tab, good, tab, bad"),
    ],
)
def test_a_file_that_is_not_of_pairs_names_its_line(tmp_path, text, said):
    path = tmp_path / "own.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_pairs(str(path))
