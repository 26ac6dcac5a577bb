import itertools

import numpy as np
import pytest

from bert_jax.data.tokenizers import load_tokenizer
from bert_jax.errors import ConfigError, DataError
from bert_jax.tasks.classification import lengths_to_keep, make_features
from bert_jax.tasks.examples import Example

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "e", "f"]
CLS, SEP, A, B, C, D, E, F = 2, 3, 5, 6, 7, 8, 9, 10


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n")
    return load_tokenizer(path, lower_case=True)


def examples(*rows):
    return [Example(f"a.tsv:{i}", *row) for i, row in enumerate(rows, 2)]


def test_single_texts(tokenizer):
    rows = examples(("a b", None, "yes"), ("a b c d e f", None, "no"), ("", None, "yes"))
    features, cut = make_features(rows, tokenizer, ("no", "yes"), max_seq_length=6)
    assert features.input_ids == [[CLS, A, B, SEP], [CLS, A, B, C, D, SEP], [CLS, SEP]]
    assert features.token_type_ids == [[0] * 4, [0] * 6, [0] * 2]
    assert cut == 1
    assert features.rows.tolist() == [0, 1, 2] and features.rows.dtype == np.int32
    assert list(features.targets) == ["label"]
    assert features.targets["label"].tolist() == [1, 0, 1]
    assert features.targets["label"].dtype == np.int32


def test_pairs(tokenizer):
    rows = examples(("a b", "c", 0.5), ("a", "b c d e f", 2.0), ("a b c", "d e f", 3.0))
    features, cut = make_features(rows, tokenizer, None, max_seq_length=8)
    assert features.input_ids == [
        [CLS, A, B, SEP, C, SEP],
        [CLS, A, SEP, B, C, D, E, SEP],
        [CLS, A, B, C, SEP, D, E, SEP],
    ]
    assert features.token_type_ids == [[0] * 4 + [1] * 2, [0] * 3 + [1] * 5, [0] * 5 + [1] * 3]
    assert cut == 2
    assert features.targets["value"].tolist() == [0.5, 2.0, 3.0]
    assert features.targets["value"].dtype == np.float32


def test_pairs_are_cut_as_bert_cuts_them():
    """BERT takes the last token of the longer one, or of the second, until both fit."""
    for first, second, room in itertools.product(range(12), range(12), range(1, 14)):
        a, b = first, second
        while a + b > room:
            a, b = (a - 1, b) if a > b else (a, b - 1)
        assert lengths_to_keep(first, second, room) == (a, b)


def test_hidden_labels_give_no_target(tokenizer):
    features, _ = make_features(examples(("a", None, None)), tokenizer, ("no", "yes"), 8)
    assert features.targets == {}


def test_an_unknown_label_is_named_with_its_place(tokenizer):
    rows = examples(("a", None, "no"), ("b", None, "maybe"))
    with pytest.raises(DataError, match=r"a\.tsv:3: unknown label 'maybe'; the labels are no, yes"):
        make_features(rows, tokenizer, ("no", "yes"), 8)


@pytest.mark.parametrize(("pair", "least"), [(None, 4), ("b", 5)])
def test_a_length_without_room_for_text(tokenizer, pair, least):
    rows = examples(("a", pair, "no"))
    make_features(rows, tokenizer, ("no", "yes"), least)
    with pytest.raises(ConfigError, match=f"max_seq_length: got {least - 1}, wants {least}"):
        make_features(rows, tokenizer, ("no", "yes"), least - 1)
