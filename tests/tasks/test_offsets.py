import random
import unicodedata

import pytest

from bert_jax.data.tokenizers import train_tokenizer
from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.tasks.offsets import encode_with_offsets

TEXT = """The quick brown fox jumps over the lazy dog, unbelievably; dogs were (still) sleeping.
Prices rose by 3.5% in the 1990s -- to $1,000. Zoë's café is naïve; Straße, İstanbul, ﬁeld.
今天天气很好，我们去公园。2010年在北京举行的奥运会！ 한국어 が ½ Ａ "quoted" “curly” a≠b""".split(
    "\n"
)
NASTY = [
    *("\n", "a\x0bb", "a\x0cb", "a\x85b", "a\xa0b", "a\u2028b", "a\u200bb", "a\x00b", "a\ufffdb"),
    *(
        "\ufeffa",
        "e\u0301a",
        "好\u0301好",
        "\u0301",
        "a好b",
        "\u3400a",
        "\U00020000a",
        "[MASK]",
        "##ing",
    ),
    *(
        "a" * 101,
        "don't",
        "Ǆ",
        "ß",
        "ς",
        "Å",
        "≠",
        "한국",
        "か\u3099",
        "👍🏽",
        "☃",
        "▁",
        "…",
        "①",
        "龘",
    ),
]


def span_of(tokens, i):
    return tokens.starts[i], tokens.ends[i]


def random_texts(count):
    rng = random.Random(0)
    pool = NASTY * 3 + [chr(c) for c in range(0x250)] + list("abcdefghij天气 \t\n") * 12
    return ["".join(rng.choices(pool, k=rng.randrange(40))) for _ in range(count)]


@pytest.fixture(scope="module")
def vocabulary():
    tokenizer = train_tokenizer("wordpiece", iter(TEXT * 5), 300, True)
    return [tokenizer.id_to_token(i) for i in range(tokenizer.vocab_size)]


@pytest.fixture(scope="module")
def sentencepiece():
    texts = [text.translate(str.maketrans("", "", "☃龘")) for text in TEXT]
    return train_tokenizer("sentencepiece", iter(texts * 5), 190, True)


@pytest.mark.parametrize("lower_case", [True, False])
@pytest.mark.parametrize("chinese", [True, False])
def test_ids_are_those_of_whole_texts_and_spans_those_of_the_library(
    vocabulary, lower_case, chinese
):
    tokenizer = WordPiece(
        [*vocabulary, "A", "##B", "İ"], lower_case=lower_case, tokenize_chinese_chars=chinese
    )
    texts = [*TEXT, *random_texts(500)]
    for text, tokens in zip(texts, encode_with_offsets(tokenizer, texts), strict=True):
        assert tokens.ids == tokenizer.encode_batch([text])[0], repr(text)
    plain = [*TEXT, "a\x00bc the\u200bdog", "☃ a龘b “☃” fox☃dog", "x" * 101 + ", dog"]
    for text, tokens in zip(plain, encode_with_offsets(tokenizer, plain), strict=True):
        wanted = tokenizer.engine().encode(text, add_special_tokens=False)
        assert list(zip(tokens.starts, tokens.ends, strict=True)) == wanted.offsets, text


def groups_of(tokens):
    """Tokens that share a character, together: first character, end, ids."""
    groups = []
    for start, end, id in zip(tokens.starts, tokens.ends, tokens.ids, strict=True):
        if groups and start < groups[-1][1]:
            start, _, ids = groups.pop()
            groups.append((start, end, [*ids, id]))
        else:
            groups.append((start, end, [id]))
    return groups


def normalize(text, lower_case):
    """BERT's rules as they are described, apart from where words end."""
    if lower_case:
        text = "".join(
            c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn"
        )
        text = text.lower()
    kept = (c for c in text if unicodedata.category(c)[0] != "C" and c != "\ufffd")
    return "".join(c for c in kept if not c.isspace())


@pytest.mark.parametrize("lower_case", [True, False])
def test_the_characters_of_a_token_normalise_to_its_pieces(vocabulary, lower_case):
    # Marks are compared by themselves elsewhere: without lower-casing they stay, as own pieces.
    texts = random_texts(500)
    if not lower_case:
        texts = [text.replace("\u0301", "").replace("\u3099", "") for text in texts]
    tokenizer = WordPiece([*vocabulary, "A", "##B"], lower_case=lower_case)
    compared = 0
    for text, tokens in zip(texts, encode_with_offsets(tokenizer, texts), strict=True):
        assert tokens.starts == sorted(tokens.starts) and tokens.ends == sorted(tokens.ends)
        for start, end, ids in groups_of(tokens):
            if tokenizer.unk_id in ids or start == end:
                continue
            pieces = "".join(tokenizer.id_to_token(i).removeprefix("##") or "##" for i in ids)
            assert normalize(text[start:end], lower_case) == pieces, repr(text)
            compared += 1
    assert compared > 500


def test_sentencepiece_is_laid_along_the_text(sentencepiece):
    texts = [*TEXT, "ﬁeld 今天☃好，ＡＢ 2½ [MASK]"]
    for text, tokens in zip(texts, encode_with_offsets(sentencepiece, texts), strict=True):
        assert tokens.ids == sentencepiece.encode_batch([text])[0]
        for i, id in enumerate(tokens.ids):
            piece = sentencepiece.id_to_token(id).replace("▁", "")
            found = text[slice(*span_of(tokens, i))]
            if id == sentencepiece.unk_id:
                assert found in ("☃", "½", "[", "]", "M", "K")
            elif piece in ("", "\u0307"):  # İ in lower case has a dot of its own
                assert found == ""
            else:  # a character that becomes several may be in both of its neighbours
                folded = unicodedata.normalize("NFKC", found).lower()
                assert piece in folded and len(found) <= len(piece), (piece, found)


def test_a_mark_belongs_to_its_letter_and_what_is_removed_to_nothing():
    tokenizer = WordPiece([*SPECIAL_TOKENS, "cafe", "##s", "ᄒ", "##ᅡ", "##ᆫ"], lower_case=True)
    text = "\u200bcafe\u0301s 한 [\u0301"
    (tokens,) = encode_with_offsets(tokenizer, [text])
    found = [text[slice(*span_of(tokens, i))] for i in range(len(tokens.ids))]
    assert found == ["cafe\u0301", "s", "한", "한", "한", "["]


def test_an_unknown_word_reaches_to_the_next_piece():
    tokenizer = WordPiece([*SPECIAL_TOKENS, "，", "。", "b"], lower_case=True)
    texts = ["☃☃，☃。", "﹐，b", "☃“☃"]  # two commas look alike; three unknown words have no bounds
    found = encode_with_offsets(tokenizer, texts)
    assert [[span_of(tokens, i) for i in range(len(tokens.ids))] for tokens in found] == [
        [(0, 2), (2, 3), (3, 4), (4, 5)],
        [(0, 1), (1, 2), (2, 3)],
        [(0, 3), (0, 3), (0, 3)],
    ]


@pytest.mark.parametrize("other", ["##odd", "##b"])  # not in the text, and not all of it
def test_pieces_that_do_not_fit_their_chunk_have_all_of_it(other):
    class Odd(WordPiece):
        def id_to_token(self, id):
            token = super().id_to_token(id)
            return other if token == "##bb" else token

    tokenizer = Odd([*SPECIAL_TOKENS, "a", "##bb"], lower_case=True)
    (tokens,) = encode_with_offsets(tokenizer, ["abb a"])
    assert [span_of(tokens, i) for i in range(3)] == [(0, 3), (0, 3), (4, 5)]
