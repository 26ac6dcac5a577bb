import gzip
from collections import Counter
from pathlib import Path

import pytest

from bert_jax.data.lines import ReadReport
from bert_jax.errors import ConfigError, DataError
from bert_jax.tasks.conll import ConllFormat, has_tags, read_conll

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "ner"
TEXT = "Ada B-PER\nByron I-PER\nmet O\n\nLondon B-LOC\n"


@pytest.fixture
def read(tmp_path):
    """A function (text, options of the format) that reads it as a file."""

    def call(text, target="iob2", tagged=True, report=None, **options):
        path = tmp_path / "a.conll"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        found = read_conll(
            path,
            ConllFormat(**options),
            report or ReadReport(),
            target_scheme=target,
            tagged=tagged,
        )
        return [(s.place.removeprefix(f"{tmp_path}/"), s.words, s.tags) for s in found]

    return call


WANTED = [
    ("a.conll:1", ("Ada", "Byron", "met"), ("B-PER", "I-PER", "O")),
    ("a.conll:5", ("London",), ("B-LOC",)),
]


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.rstrip("\n"),
        TEXT.replace(" ", "\t"),
        TEXT.replace(" ", " \t ").replace("O\n", "O \n"),
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        TEXT.replace("\n\n", "\n \t\n"),
        gzip.compress(TEXT.encode()),
    ],
    ids=["plain", "no end", "tabs", "both", "crlf", "bom", "blanks", "gzip"],
)
def test_sentences_come_with_their_first_line(read, text):
    assert read(text) == WANTED


def test_columns_documents_and_comments(read):
    text = (
        "-DOCSTART- -X- O\n\n# one\n# two\n1 Ada NN B-PER\n2 # NN O\n-DOCSTART- -X- -X- O\n"
        "\n\n3 London NN B-LOC\n"
    )
    found = read(text, word_column=1, comment="# ")
    assert found == [
        ("a.conll:5", ("Ada", "#"), ("B-PER", "O")),
        ("a.conll:10", ("London",), ("B-LOC",)),
    ]
    assert read(text, word_column=1, tag_column=3, comment="#") == found
    hidden = read(text, word_column=1, comment="#", tagged=False)
    assert [(words, tags) for _, words, tags in hidden] == [
        (("Ada", "#"), None),
        (("London",), None),
    ]


def test_a_comment_within_a_sentence_is_a_word(read):
    assert read("# note\n# O\n", comment="# n")[0][1:] == (("#",), ("O",))
    assert read("a O\n# O\n", comment="#")[0][1] == ("a", "#")


def test_hidden_tags_need_no_column(read):
    found = read("a\n\u3000\nb\n\nc\n", tagged=False)
    assert found == [("a.conll:1", ("a", "\u3000", "b"), None), ("a.conll:5", ("c",), None)]


def test_words_may_hold_blanks_where_tabs_separate(read):
    found = read("New York\tB-LOC\n\u3000\tO \n", separator="tab")
    assert found == [("a.conll:1", ("New York", "\u3000"), ("B-LOC", "O"))]


@pytest.mark.parametrize("separator", ["blank", "tab"])
def test_a_word_of_nothing_but_control_characters_keeps_its_place(read, separator):
    report = ReadReport()
    text = "Ada\tB-PER\n\x07\x08\tI-PER\nmet\tO\n"
    found = read(text, separator=separator, report=report)
    assert found == [("a.conll:1", ("Ada", "\ufffd", "met"), ("B-PER", "I-PER", "O"))]
    tally = report.notes["words without a character, read as \ufffd"]
    assert tally.count == 1 and tally.first.endswith("a.conll:2")


def test_every_scheme_is_found_and_given_out_in_the_one_wanted(read):
    iob1 = "Ada I-PER\nAda B-PER\nmet O\n"
    iobes = "Ada S-PER\nAda S-PER\nmet O\n"
    assert read(iob1)[0][2] == read(iobes)[0][2] == ("B-PER", "B-PER", "O")
    assert read(TEXT, target="iobes")[0][2] == ("B-PER", "E-PER", "O")
    assert read(iob1, target="iob1")[0][2] == ("I-PER", "B-PER", "O")


@pytest.mark.parametrize(
    "text, options, wanted",
    [
        ("", {}, "a.conll: no sentence"),
        ("\n\n-DOCSTART- O\n", {}, "a.conll: no sentence"),
        (TEXT + "Paris\n", {}, "a.conll:6: 1 columns, the lines before have 2"),
        ("a b O\n", {"word_column": 5}, "a.conll:1: no column 5, the line has 3"),
        ("a b O\n", {"tag_column": 3}, "a.conll:1: no column 3, the line has 3"),
        ("a\nb\n", {}, "a.conll:1: word and tag from one column of 1"),
        ("a b O\n", {"word_column": 2}, "a.conll:1: word and tag from one column of 3"),
        (
            "a O\nb PER\n",
            {},
            "a.conll:2: 'PER' is not a tag; wants O, or one of B-, I-, E-, S- and",
        ),
        (
            "a E-PER\n",
            {"scheme": "iob2"},
            "a.conll:1: 'E-PER' is not a tag; wants O, or one of B-, I- and",
        ),
        ("a\t\n", {"separator": "tab"}, "a.conll:1: '' is not a tag"),
        (TEXT + "\na O\nb I-LOC\n", {}, "a.conll:8: I-LOC after O breaks iob2"),
        ("b I-LOC\n", {"scheme": "iob2"}, "a.conll:1: I-LOC after the start of a sentence"),
        ("a O\nb B-LOC\n\n", {"scheme": "iobes"}, "a.conll:3: the end of a sentence after B-LOC"),
        (b"\xff\xfea\x00", {}, "UTF-16"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(read, text, options, wanted):
    with pytest.raises(DataError) as caught:
        read(text, **options)
    assert wanted in str(caught.value) and "\n" not in str(caught.value)


def test_broken_tags_are_repaired_and_counted_on_demand(read):
    report = ReadReport()
    text = TEXT + "\na O\nb I-LOC\nc I-PER\n"
    found = read(text, broken_tags="repair", report=report)
    assert found == [*WANTED, ("a.conll:7", ("a", "b", "c"), ("O", "B-LOC", "B-PER"))]
    tally = report.notes["sentences whose tags break iob2, read as the CoNLL scorer does"]
    assert tally.count == 1 and tally.first.endswith("a.conll:8")


@pytest.mark.parametrize("field", ["separator", "scheme", "broken_tags"])
def test_options_are_checked(field):
    with pytest.raises(ConfigError, match=f"{field}: got 'bio', wants one of"):
        ConllFormat(**{field: "bio"})


@pytest.mark.skipif(not SHARED.is_dir(), reason="the data that is tried is not here")
def test_real_files():
    report = ReadReport()
    dev = read_conll(SHARED / "wnut17" / "dev.conll.gz", ConllFormat(), report)
    begun = Counter(t for s in dev for t in s.tags if t.startswith("B-"))
    assert (len(dev), sum(len(s.words) for s in dev)) == (1009, 15733)
    assert begun["B-person"] == 470 and sum(begun.values()) == 836
    # Its sentences were cut at 100 characters, some of them inside a name.
    msra = SHARED / "msra" / "dev.conll.gz"
    with pytest.raises(DataError, match=r"dev.conll.gz:\d+: I-\w+ after the start of a sentence"):
        read_conll(msra, ConllFormat(), report)
    found = read_conll(msra, ConllFormat(broken_tags="repair"), report)
    assert len(found) == 9289 and [t.count for t in report.notes.values()] == [11]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EU B-ORG\nrejects O\n", True),
        ("\n-DOCSTART- -X-\n\nEU B-ORG\n", True),
        ("# a comment\nEU\nrejects\n", False),
        ("-DOCSTART- -X-\n\nEU\nrejects\n", False),
        ("", False),
    ],
)
def test_a_file_of_words_alone_has_no_tags(text, expected, tmp_path):
    (tmp_path / "test.txt").write_text(text)
    assert has_tags(tmp_path / "test.txt", ConllFormat(comment="#")) is expected
