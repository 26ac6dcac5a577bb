import pytest

from bert_jax.data.sentences import check_language, cut_long, detect_language, split_sentences
from bert_jax.errors import ConfigError


def test_abbreviations_do_not_end_a_sentence():
    text = "Dr. Smith met J. K. Rowling, e.g. on Monday. He left! Why?  Nobody knows."
    assert split_sentences(text, "en") == [
        "Dr. Smith met J. K. Rowling, e.g. on Monday.",
        "He left!",
        "Why?",
        "Nobody knows.",
    ]


def test_chinese_sentences_end_without_blanks():
    assert split_sentences("今天天气很好。我们去公园！你呢？", "zh") == [
        "今天天气很好。",
        "我们去公园！",
        "你呢？",
    ]


def test_nothing_is_lost_or_reordered():
    text = 'One. "Two," he said. (Three.) Four... five? 六。七'
    joined = "".join(split_sentences(text, "en")).replace(" ", "")
    assert joined == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Plain English.", "en"),
        ("naïve café", "en"),
        ("今天天气很好。", "zh"),
        ("これはペンです。", "ja"),
    ],
)
def test_language_is_seen_in_the_script(text, language):
    assert detect_language(text) == language


def test_long_sentences_are_cut_at_blanks():
    text = " ".join(["word"] * 100)
    parts = list(cut_long(text, 30))
    assert all(len(part) <= 30 for part in parts)
    assert " ".join(parts) == text
    assert list(cut_long("x" * 25, 10)) == ["x" * 10, "x" * 10, "x" * 5]
    assert list(cut_long("short", 10)) == ["short"]


def test_a_language_is_auto_or_a_code():
    check_language("auto")
    check_language("de")
    with pytest.raises(ConfigError, match="English"):
        check_language("English")
