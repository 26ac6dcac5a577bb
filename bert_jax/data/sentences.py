"""Paragraphs to sentences, by the rules of sentencex."""

import re
from collections.abc import Iterator

from bert_jax.errors import ConfigError

# sentencex was kept over pysbd: 35 MB of English a second against less than 1, and Chinese too.
_KANA = re.compile("[\u3040-\u30ff]")
_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_LOOKED_AT = 2_000  # characters that decide the language of a document
_LANGUAGE = re.compile("auto|[a-z]{2,3}")
# Where a sentence that is too long may be cut: after a blank or a mark that ends a clause.
_BREAK = re.compile(r"[ \t,;:，；：、。！？．]")


def check_language(language: str) -> None:
    """Raise ConfigError unless it is 'auto' or a language code ('en', 'zh', 'de', ...)."""
    if not _LANGUAGE.fullmatch(language):
        raise ConfigError(
            f"config.language: got {language!r}, wants 'auto' or a code of two or three letters "
            "such as 'en' or 'zh'"
        )


def detect_language(text: str) -> str:
    """Return 'zh' or 'ja' for text in these scripts and 'en' for any other.

    sentencex needs the language for its abbreviations alone: its marks are those of all scripts.
    """
    start = text[:_LOOKED_AT]
    if start.isascii():
        return "en"
    if len(_KANA.findall(start)) > 0.05 * len(start):
        return "ja"
    return "zh" if len(_IDEOGRAPH.findall(start)) > 0.2 * len(start) else "en"


def split_sentences(paragraph: str, language: str) -> list[str]:
    """Return the sentences of a paragraph without the blanks around them, in order."""
    from sentencex import segment  # type: ignore[attr-defined]

    sentences = (sentence.strip() for sentence in segment(language, paragraph))
    return [sentence for sentence in sentences if sentence]


def cut_long(sentence: str, most: int) -> Iterator[str]:
    """Yield a sentence in parts of at most `most` characters, cut at blanks where there are any."""
    while len(sentence) > most:
        end = most
        for i in range(most, most // 2, -1):
            if _BREAK.match(sentence[i - 1]):
                end = i
                break
        part = sentence[:end].strip()
        if part:
            yield part
        sentence = sentence[end:]
    sentence = sentence.strip()
    if sentence:
        yield sentence
