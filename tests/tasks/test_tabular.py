import gzip
import json
from pathlib import Path

import pytest

from bert_jax.data.lines import ReadReport
from bert_jax.errors import ConfigError, DataError
from bert_jax.tasks.tabular import read_rows


def read(path, content, **options):
    """Write a file; return its rows by line and what was noted."""
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(data)
    report = ReadReport()
    rows = list(read_rows(path, report, **options))
    name = str(path)
    places = [place.removeprefix(name) for place, _ in rows]
    notes = {k: (t.count, t.first.removeprefix(name)) for k, t in report.notes.items()}
    return dict(zip(places, (values for _, values in rows), strict=True)), notes


def test_tsv_takes_quotes_as_they_are(tmp_path):
    rows, notes = read(tmp_path / "a.tsv", 'text\tlabel\n"Open\t1\n\n   \nHe said ""hi"\t0\n')
    assert rows == {
        ":2": {"text": '"Open', "label": "1"},
        ":5": {"text": 'He said ""hi"', "label": "0"},
    }
    assert not notes


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_bom_and_crlf(tmp_path, pack):
    content = pack(b"\xef\xbb\xbftext\tlabel\r\nA\t1\r\n\r\nB\t0")
    rows, _ = read(tmp_path / "a.tsv", content)
    assert rows == {":2": {"text": "A", "label": "1"}, ":4": {"text": "B", "label": "0"}}


def test_lines_end_at_line_feeds_only(tmp_path):
    rows, _ = read(tmp_path / "a.tsv", "text\tlabel\nA\u2028b\u0085c\t1\n")
    assert rows == {":2": {"text": "A\u2028b\u0085c", "label": "1"}}


def test_a_header_can_be_given(tmp_path):
    rows, _ = read(tmp_path / "a.tsv", "1\tA\n0\tB\n", header=("label", "text"))
    assert rows == {":1": {"label": "1", "text": "A"}, ":2": {"label": "0", "text": "B"}}


def test_csv_quotes_hold_cells_together(tmp_path):
    content = 'text,label\n"A, ""b""\n\nc",1\n \nplain 5" pipe,0\n'
    rows, notes = read(tmp_path / "a.csv", content)
    assert rows == {
        ":2": {"text": 'A, "b"\n\nc', "label": "1"},
        ":6": {"text": 'plain 5" pipe', "label": "0"},
    }
    assert not notes


@pytest.mark.parametrize(
    "stray",
    ['"Never closed,1', '"Closed" too early,1'],
)
@pytest.mark.parametrize("after", ["", 'B,0\n"C, c",1\n'], ids=["last", "before others"])
def test_an_unbalanced_quote_keeps_the_rows(tmp_path, stray, after):
    rows, notes = read(tmp_path / "a.csv", f"text,label\n{stray}\n{after}")
    assert rows[":2"] == {"text": stray.split(",")[0], "label": "1"}
    if after:
        assert rows[":3"] == {"text": "B", "label": "0"}
        assert rows[":4"] == {"text": "C, c", "label": "1"}
    assert notes == {"lines with an unbalanced quote read as they stand": (1, ":2")}


def test_a_quote_that_another_row_closes_keeps_the_rows(tmp_path):
    rows, notes = read(tmp_path / "a.csv", 'a,b,label\n"A,x,1\nB,5",0\n')
    assert [list(row.values()) for row in rows.values()] == [['"A', "x", "1"], ["B", '5"', "0"]]
    assert notes == {"lines with an unbalanced quote read as they stand": (1, ":2")}


def test_many_unbalanced_quotes_far_from_the_end(tmp_path):
    lines = [f'"row {i},{i}' for i in range(0, 600, 2)] + [f"row {i},{i}" for i in range(600)]
    rows, notes = read(tmp_path / "a.csv", "text,label\n" + "\n".join(lines))
    assert [f"{r['text']},{r['label']}" for r in rows.values()] == lines
    assert notes["lines with an unbalanced quote read as they stand"] == (300, ":2")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_of_csv_is_found(tmp_path, delimiter):
    rows, _ = read(tmp_path / "a.csv", f'text{delimiter}label\n"A, b; c"{delimiter}1\n')
    assert rows == {":2": {"text": "A, b; c", "label": "1"}}
    rows, _ = read(tmp_path / "b.csv", 'text|label\n"A|b"|1\n', delimiter="|")
    assert rows == {":2": {"text": "A|b", "label": "1"}}


def test_a_long_cell(tmp_path):
    text = "word, " * 50_000
    rows, notes = read(tmp_path / "a.csv", f'text,label\n"{text}",1\n')
    assert rows[":2"]["text"] == text and not notes


def test_ragged_rows_are_refused_or_counted(tmp_path):
    content = "a\tb\n1\t2\n3\n4\t5\t6\n"
    with pytest.raises(DataError, match=r"a\.tsv:3: 1 cells, but 2 columns \(a, b\)"):
        read(tmp_path / "a.tsv", content)
    with pytest.raises(DataError, match=r"a\.tsv:2: 3 cells"):
        read(tmp_path / "a.tsv", "a\tb\n4\t5\t6\n")
    rows, notes = read(tmp_path / "a.tsv", content, ragged="count")
    assert rows == {":2": {"a": "1", "b": "2"}, ":4": {"a": "4", "b": "5"}}
    assert notes == {
        "rows with too few cells left out": (1, ":3"),
        "cells beyond the last column ignored": (1, ":4"),
    }


def test_json_lines_and_documents(tmp_path):
    objects = [{"text": "A\nb", "label": 1}, {"text": "B\u0000", "label": None}]
    clean = [objects[0], {"text": "B", "label": None}]
    lines = "\n\n".join(json.dumps(o) for o in objects)
    rows, notes = read(tmp_path / "a.jsonl", lines)
    assert rows == {":1": clean[0], ":3": clean[1]}
    assert notes == {"control characters removed": (1, ":3")}
    rows, _ = read(tmp_path / "a.json", json.dumps(objects, indent=1))
    assert rows == {"[0]": clean[0], "[1]": clean[1]}
    rows, _ = read(tmp_path / "b.json", json.dumps({"x": objects[0]}))
    assert rows == {"[x]": clean[0]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": 1', r"a\.jsonl:2: not JSON; the line begins '\{\"a\": 1'"),
        ("a.jsonl", "[1]\n", r"a\.jsonl:1: wants an object, got a list"),
        ("a.json", '{"a": 1}\n{"a": 1}\n', r"a\.json:2: not JSON .*set format=jsonl"),
        ("a.json", '[{"a": 1},\n 3 4]', r"a\.json:2: not JSON"),
        ("a.json", "[" + "1" * 5_000 + "]", r"a\.json: not JSON that can be read"),
        ("a.json", "[" * 100_000, r"a\.json: nested too deeply|not JSON"),
        ("a.json", "3", r"a\.json: wants a list of objects, got a int"),
        ("a.json", "[3]", r"a\.json\[0\]: wants an object"),
        ("a.tsv", "text\ttext\nA\tB\n", r"a\.tsv: two columns are called 'text'"),
        ("a.xml", "<a/>", r"a\.xml: the name does not tell the format"),
    ],
)
def test_what_is_refused(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, content)


def test_a_missing_file_and_an_unknown_format(tmp_path):
    with pytest.raises(DataError, match=r"none\.tsv: cannot be read \(No such file"):
        list(read_rows(tmp_path / "none.tsv", ReadReport()))
    with pytest.raises(ConfigError, match="format: got 'xml'"):
        list(read_rows(Path("a.tsv"), ReadReport(), format="xml"))
