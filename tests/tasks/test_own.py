"""Tasks of the user's own: a film review, a pair, a value; files as people have them."""

import gzip
import json
from pathlib import Path

import pytest

from bert_jax.errors import DataError
from bert_jax.tasks.labels import find_labels
from bert_jax.tasks.metrics import CLASS_METRICS, VALUE_METRICS
from bert_jax.tasks.own import OwnTask, own_task

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
REVIEWS = "review,sentiment\n" + "".join(
    f'"Film {i}, a ""classic"".",{"positive" if i % 3 else "negative"}\n' for i in range(50)
)


def write(path, content):
    path.write_text(content, encoding="utf-8")
    return str(path)


def read(path, **fields):
    return own_task(
        OwnTask(**{"path": path, "text_column": "text", "label_column": "label"} | fields)
    )


def contents(examples):
    return [(e.text, e.text_pair, e.label) for e in examples]


def test_one_file_of_reviews_is_divided_by_seed(tmp_path):
    path = write(tmp_path / "reviews.csv", REVIEWS)
    columns = {"text_column": "review", "label_column": "sentiment"}
    data = read(path, **columns)
    assert data.row.labels == ("negative", "positive") and data.row.head == "classification"
    assert set(data.row.metrics) <= set(CLASS_METRICS)
    train, held_out = data.splits["train"], data.splits["validation"]
    assert (len(train), len(held_out)) == (45, 5)
    assert data.notes == (f"{path}: 5 of 50 rows held out for validation, by seed 0",)
    by_line = {e.place: (e.text, e.label) for e in train + held_out}
    assert by_line == {
        f"{path}:{i + 2}": (f'Film {i}, a "classic".', "positive" if i % 3 else "negative")
        for i in range(50)
    }
    assert read(path, **columns).splits == data.splits
    assert read(path, **columns, seed=1).splits != data.splits
    assert len(read(path, **columns, validation_share=0.2).splits["validation"]) == 10
    assert set(read(path, **columns, validation_share=0.0).splits) == {"train"}


def test_a_folder_with_splits(tmp_path):
    write(tmp_path / "train.tsv", "label\ttext\n1\t很好\n0\t不好\n")
    write(tmp_path / "dev.tsv", 'label\ttext\n0\t"差\n')
    test = {"text": "好"}
    (tmp_path / "test.jsonl.gz").write_bytes(gzip.compress(json.dumps(test).encode()))
    data = read(str(tmp_path))
    assert {k: contents(v) for k, v in data.splits.items()} == {
        "train": [("很好", None, "1"), ("不好", None, "0")],
        "validation": [('"差', None, "0")],
        "test": [("好", None, None)],
    }
    assert data.row.labels == ("0", "1") and data.notes == ()
    named = read(
        str(tmp_path / "train.tsv"),
        validation=str(tmp_path / "dev.tsv"),
        test=str(tmp_path / "test.jsonl.gz"),
    )
    assert named.splits == data.splits


def test_pairs_with_values(tmp_path):
    rows = [{"text": "A", "other": "B", "label": i / 2} for i in range(4)]
    path = write(tmp_path / "pairs.json", json.dumps(rows))
    data = read(path, pair_column="other", regression=True, validation_share=0.0)
    assert contents(data.splits["train"]) == [("A", "B", i / 2) for i in range(4)]
    assert data.row.head == "regression" and data.row.labels is None
    assert set(data.row.metrics) <= set(VALUE_METRICS)


def test_labels_given_keep_their_order_and_admit_no_others(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "A", "label": true}\n{"text": "B", "label": 2}\n')
    assert read(path, labels=("true", "2"), validation_share=0.0).row.labels == ("true", "2")
    with pytest.raises(DataError, match=r"a\.jsonl:2: unknown label '2'; the labels are true, 1"):
        read(path, labels=("true", "1"))


def test_labels_are_sorted_and_numbers_by_value(tmp_path):
    def found(labels):
        rows = "".join(f"A\t{label}\n" for label in labels)
        path = write(tmp_path / "a.tsv", rows)
        data = read(path, header=("text", "label"), validation_share=0.0)
        assert find_labels(data.splits["train"]) == data.row.labels
        return data.row.labels

    assert found(["10", "9", "-1", "9"]) == ("-1", "9", "10")
    assert found(["b ", "a", "10", "9"]) == ("10", "9", "a", "b")


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        (
            "text\tlabel\nA\t1\n",
            {"text_column": "body"},
            r":2: no column 'body'; there are text, la",
        ),
        ("text\tlabel\nA\t1\nB\n", {}, r":3: 1 cells, but 2 columns"),
        ("text\tlabel\nA\t1\nB\t\n", {}, r":3: no label in column 'label'"),
        ("text\tlabel\n", {}, r"a\.tsv: no rows to read; the train split is empty"),
        ("text\tlabel\nA\t1\n", {}, r"a\.tsv: 1 rows are too few to hold some out"),
        ("text\tlabel\n" + "A\t1\n" * 9, {}, r"a\.tsv: every label is '1'; wants two or more"),
        (
            "text\tlabel\nA\tgood\n",
            {"regression": True},
            r":2: the label is 'good'; regression want",
        ),
        (
            "text\tlabel\n" + "".join(f"A\tB {i}\n" for i in range(60)),
            {},
            r"a\.tsv: 54 different labels in 54 rows, such as 'B \d+'; is label_column another",
        ),
    ],
)
def test_what_is_refused(tmp_path, content, fields, message):
    with pytest.raises(DataError, match=message) as error:
        read(write(tmp_path / "a.tsv", content), **fields)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('{"text": null, "label": 1}', r"a\.jsonl:1: column 'text' is empty; wants a text"),
        ('{"text": ["A"], "label": 1}', r"a\.jsonl:1: column 'text' is a list; wants a text"),
        ('{"text": "A", "label": [1]}', r"a\.jsonl:1: the label is a list; wants one"),
        ('{"text": "A", "label": null}', r"a\.jsonl:1: no label in column 'label'"),
    ],
)
def test_json_values_that_are_no_texts_or_labels(tmp_path, value, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "a.jsonl", value + "\n"))


def test_files_that_are_missing_or_ambiguous(tmp_path):
    with pytest.raises(DataError, match=r"no train file there; wants train\.tsv"):
        read(str(tmp_path))
    with pytest.raises(DataError, match=r"none\.tsv: no such file"):
        read(str(tmp_path / "none.tsv"))
    write(tmp_path / "train.tsv", "text\tlabel\nA\t1\n")
    with pytest.raises(DataError, match=r"none\.tsv: no such file"):
        read(str(tmp_path), validation=str(tmp_path / "none.tsv"))
    write(tmp_path / "train.csv", "text,label\nA,1\n")
    with pytest.raises(DataError, match="both train.tsv and train.csv could be the train split"):
        read(str(tmp_path))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"validation_share": 1.0}, "validation_share: got 1.0"),
        ({"labels": ("a", "a")}, "labels: got"),
        ({"labels": ("a",)}, "labels: got"),
        ({"labels": ("a", "b"), "regression": True}, "regression has none"),
    ],
)
def test_fields_that_do_not_fit(fields, message):
    with pytest.raises(ValueError, match=message):
        read("a.tsv", **fields)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real files are not here")
@pytest.mark.parametrize(
    ("folder", "pair", "sizes", "labels"),
    [
        ("glue-samples/MNLI", "text_b", [8999, 1000], ("contradiction", "entailment", "neutral")),
        ("glue-samples/QNLI", "text_b", [8999, 1000], ("entailment", "not_entailment")),
        ("glue-samples/QQP", "text_b", [8999, 1000], ("0", "1")),
        ("classification/chnsenticorp", "", [9600, 1200, 1200], ("0", "1")),
    ],
)
def test_the_real_files(folder, pair, sizes, labels):
    data = read(str(SHARED / folder), text_column="text_a", pair_column=pair)
    assert [len(examples) for examples in data.splits.values()] == sizes
    assert data.row.labels == labels
