import gzip
import json

import pytest

from bert_jax.data.lines import ReadReport
from bert_jax.data.text import find_files, open_source
from bert_jax.errors import ConfigError, DataError


def read(patterns, **options):
    """Return the documents and what reading met."""
    settings = {
        "format": "auto",
        "text_field": "text",
        "document_separator": "auto",
        "max_document_characters": 1_000,
    } | options
    report = ReadReport()
    documents = list(open_source(str(patterns), **settings).documents(report))
    assert report.documents == len(documents) + sum(t.count for t in report.skipped.values())
    return documents, report


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_one_file_of_prose_is_cut_at_blank_lines(tmp_path):
    path = write(tmp_path / "a.txt", "A line that is\nwrapped. Next.\n\n\nAnother one.\n")
    documents, _ = read(path)
    assert [d.text for d in documents] == ["A line that is wrapped. Next.", "Another one."]
    assert [d.place for d in documents] == [f"{path}:1", f"{path}:5"]
    assert not documents[0].sentences_given


def test_of_several_files_each_is_a_document(tmp_path):
    write(tmp_path / "a.txt", "First\nparagraph.\n\nSecond.\n")
    write(tmp_path / "b.txt", "Other.")
    documents, _ = read(tmp_path / "*.txt")
    assert [d.text for d in documents] == ["First paragraph.\nSecond.", "Other."]
    documents, _ = read(tmp_path, document_separator="blank_line")
    assert len(documents) == 3


def test_chinese_lines_are_joined_without_a_blank(tmp_path):
    documents, _ = read(write(tmp_path / "a.txt", "今天天气\n很好。\nand this\n"))
    assert documents[0].text == "今天天气很好。 and this"


def test_one_sentence_a_line_is_recognised(tmp_path):
    text = "\n\n".join("\n".join(f"Sentence {i} of {b}." for i in range(4)) for b in range(3))
    path = write(tmp_path / "a.txt", text)
    documents, _ = read(path)
    assert len(documents) == 3 and all(d.sentences_given for d in documents)
    assert documents[0].text.split("\n") == [f"Sentence {i} of 0." for i in range(4)]
    (decision,) = open_source(
        str(path),
        format="auto",
        text_field="text",
        document_separator="auto",
        max_document_characters=1_000,
    ).decisions
    assert "--config.format=text" in decision
    assert not read(path, format="text")[0][0].sentences_given


def test_wrapped_prose_and_single_paragraphs_are_not_taken_for_sentences(tmp_path):
    wrapped = "\n\n".join(["It begins here and\ngoes on there and\nends. So\nit is."] * 5)
    assert not read(write(tmp_path / "a.txt", wrapped))[0][0].sentences_given
    single = "\n\n".join(["One paragraph a line. It has two sentences."] * 5)
    assert not read(write(tmp_path / "b.txt", single))[0][0].sentences_given


def test_json_lines(tmp_path):
    lines = [json.dumps({"id": i, "text": f"Text {i}.\nLine."}) for i in range(3)]
    path = write(
        tmp_path / "a.jsonl", "\n".join([*lines[:2], "{broken", '{"id": 7}', lines[2], ""])
    )
    documents, report = read(path)
    assert [d.text for d in documents] == [f"Text {i}.\nLine." for i in range(3)]
    assert {k: (t.count, t.first) for k, t in report.skipped.items()} == {
        "not JSON": (1, f"{path}:3"),
        "no field 'text'": (1, f"{path}:4"),
    }


def test_a_wrong_text_field_names_those_there_are(tmp_path):
    path = write(tmp_path / "a.jsonl", json.dumps({"id": 1, "body": "x"}) + "\n")
    with pytest.raises(DataError, match=r"a\.jsonl:1: no field 'text'; its fields are id, body"):
        read(path)
    assert read(path, text_field="body")[0][0].text == "x"
    with pytest.raises(DataError, match="not a string"):
        read(path, text_field="id")


def test_json_escapes_bring_no_control_characters(tmp_path):
    text = "a\u0000b\ud800c\r\nd\u000be"
    documents, report = read(write(tmp_path / "a.jsonl", json.dumps({"text": text})))
    assert documents[0].text == "ab\ufffdc\nd e"
    assert report.notes["control characters removed"].count == 2


def test_gzip_is_read_by_its_content(tmp_path):
    packed = gzip.compress(b"Some text.\n")
    for name in ("a.txt.gz", "b.txt"):
        documents, report = read(write(tmp_path / name, packed))
        assert documents[0].text == "Some text."
        assert report.position == len(packed)
        assert report.text_bytes == 11


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"Some text.\n" * 1000)[:-12], b"\x1f\x8bnonsense", b"plain text"],
    ids=["cut", "nonsense", "plain"],  # the compressed bytes hold the time, and workers compare ids
)
def test_a_damaged_gzip_is_an_error(tmp_path, content):
    with pytest.raises(DataError, match=r"a\.txt\.gz: a damaged gzip"):
        read(write(tmp_path / "a.txt.gz", content))


def test_bom_crlf_and_control_bytes(tmp_path):
    content = b"\xef\xbb\xbfOne line.\r\nAnother\x00 line.\r\n\r\nNew\x0cpage.\rOld Mac.\n"
    documents, report = read(write(tmp_path / "a.txt", content), format="text")
    assert [d.text for d in documents] == ["One line. Another line.", "New page. Old Mac."]
    note = report.notes["control bytes removed"]
    assert (note.count, note.first) == (1, f"{tmp_path}/a.txt:2")


def test_some_invalid_utf8_is_repaired_and_counted(tmp_path):
    lines = [b"A good line."] * 40
    lines[7] = b"A caf\xe9 line."
    documents, report = read(write(tmp_path / "a.txt", b"\n".join(lines)))
    assert "caf\ufffd line" in documents[0].text
    note = report.notes["lines with invalid UTF-8 repaired"]
    assert (note.count, note.first) == (1, f"{tmp_path}/a.txt:8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Ein Café\n".encode("latin-1") * 20, "is not UTF-8 text"),
        ("Some text\n".encode("utf-16"), "UTF-16"),
        (b"ab\x00\x00\x00\x00" * 2000, "binary"),
    ],
)
def test_what_is_not_text_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "a.txt", content))


def test_empty_files_are_counted(tmp_path):
    write(tmp_path / "a.txt", "")
    write(tmp_path / "b.txt", "\n \n")
    documents, report = read(tmp_path)
    assert documents == []
    assert {k: t.count for k, t in report.skipped_files.items()} == {
        "empty file": 1,
        "no text in the file": 1,
    }


def test_long_documents_are_cut_at_line_ends(tmp_path):
    text = "\n".join(["word " * 20] * 50)
    documents, report = read(write(tmp_path / "a.jsonl", json.dumps({"text": text})))
    assert len(documents) > 4 and all(len(d.text) <= 1_000 for d in documents)
    assert "".join("".join(d.text.split()) for d in documents) == "".join(text.split())
    assert report.notes["documents cut"].count == 1


def test_a_line_longer_than_the_bound_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr("bert_jax.data.lines._LONGEST_LINE", 5_000)
    monkeypatch.setattr("bert_jax.data.lines._BLOCK", 1_000)
    text = "é" * 20_000
    documents, report = read(write(tmp_path / "a.txt", text), max_document_characters=10**6)
    assert "".join(d.text for d in documents).replace(" ", "") == text
    assert report.notes["lines longer than 16 MB cut"].count > 1


def test_blocks_do_not_change_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("bert_jax.data.lines._BLOCK", 7)
    lines = [f"Line {i} über." for i in range(30)]
    path = write(tmp_path / "a.txt", "\r\n".join(lines))
    assert read(path)[0][0].text == " ".join(lines)


def test_patterns(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.txt", "a.txt", "sub/c.txt", ".hidden"):
        write(tmp_path / name, "Text.")
    names = [p.name for p in find_files(str(tmp_path))]
    assert names == ["a.txt", "b.txt", "c.txt"]
    assert [p.name for p in find_files(f"{tmp_path}/**/*.txt")] == names
    documents, _ = read(f"{tmp_path}/b.txt,{tmp_path}/*.txt")
    assert [d.place for d in documents] == [f"{tmp_path}/b.txt:1", f"{tmp_path}/a.txt:1"]
    with pytest.raises(DataError, match=r"nothing\*: no file matches"):
        read(tmp_path / "nothing*")
    with pytest.raises(ConfigError, match="config.format"):
        read(tmp_path, format="xml")
    with pytest.raises(ConfigError, match="config.input"):
        read(" ,")


def test_tfds_without_tensorflow(monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    from tensorflow_datasets.datasets.imdb_reviews import imdb_reviews_dataset_builder  # noqa: F401

    with tfds.testing.mock_data(num_examples=3):
        documents, report = read("tfds:imdb_reviews:test")
        assert len(documents) == 3
        assert documents[0].place == "tfds:imdb_reviews:test[0]"
        with pytest.raises(DataError, match="no field 'body'; there are .*label"):
            read("tfds:imdb_reviews", text_field="body")
    with pytest.raises(ConfigError, match="wants tfds:NAME"):
        read("tfds:")


def test_tfds_offline_is_one_clear_error(monkeypatch, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")

    def fail(*_, **__):
        raise ConnectionError("no\nroute")

    monkeypatch.setattr(tfds, "data_source", fail)
    with pytest.raises(DataError, match=r"tfds:imdb_reviews: .*no route.*TFDS_DATA_DIR"):
        read("tfds:imdb_reviews")
