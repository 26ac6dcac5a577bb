import json
import random
import subprocess
import sys

import numpy as np
import pytest

from bert_jax.data import wordpiece
from bert_jax.data.tokenizers import load_tokenizer, train_tokenizer
from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.errors import ConfigError, DataError

TEXT = """The quick brown fox jumps over the lazy dog. Unbelievably, the dogs were sleeping.
He said: [MASK] is not a word, and [CLS] is none. Prices rose by 3.5% in 2015.
Zoë's café is naïve; Straße, İstanbul and the ﬁeld. 今天天气很好，我们去公园。""".split("\n")
SYLLABLES = ["ba", "ko", "ri", "ten", "mu", "sal", "ven", "ji", "nor", "pe"]
WORDS = [
    " ".join("".join(random.Random(i * 9 + j).choices(SYLLABLES, k=3)) for j in range(9))
    for i in range(99)
]
NASTY = [
    *("", " ", "\n", "a\x0bb", "a\x0cb", "a\x1cb", "a\x85b", "a\xa0b", "a\u2028b", "a\u200bb"),
    *("a\x00b", "a\ufffdb", "\ufeffa", "e\u0301a", "好\u0301好", "a好b", "\u3400a", "\U00020000a"),
    *("[MASK]", "[mask]x", "##ing", "a" * 100, "a" * 101, "a" * 99 + "\x00b", "x" * 500),
    *(
        "don't",
        "a_b",
        "$5^x~`",
        "Ǆ",
        "ß",
        "İ",
        "ς",
        "Å",
        "ﬁ",
        "한국",
        "が",
        "か\u3099",
        "👍🏽",
        "Ａ",
    ),
]


@pytest.fixture(scope="module")
def trained():
    return train_tokenizer("wordpiece", iter(TEXT * 5), 300, True)


@pytest.mark.parametrize("lower_case", [True, False])
@pytest.mark.parametrize("strip_accents", [True, False])
@pytest.mark.parametrize("chinese", [True, False])
def test_ids_are_those_of_the_library_on_whole_texts(trained, lower_case, strip_accents, chinese):
    tokens = [trained.id_to_token(i) for i in range(trained.vocab_size)]
    tokenizer = WordPiece(
        [*tokens, "A", "##B", "İ", "a\u0301"],
        lower_case=lower_case,
        strip_accents=strip_accents,
        tokenize_chinese_chars=chinese,
    )
    rng = random.Random(0)
    characters = [chr(c) for c in (*range(0x250), *range(0x300, 0x340), *range(0x2000, 0x2070))]
    pool = characters + NASTY * 4 + list("abcdefghij天气 \t\n") * 20
    texts = ["".join(rng.choices(pool, k=rng.randrange(40))) for _ in range(2_000)]
    texts += NASTY + TEXT
    expected = tokenizer.engine().encode_batch(texts, add_special_tokens=False)
    for _ in range(2):  # the second time from the cache
        for got, text, want in zip(tokenizer.encode_batch(texts), texts, expected, strict=True):
            assert got == want.ids, repr(text)


def test_the_cache_is_bounded_and_changes_nothing(trained, monkeypatch):
    texts = [f"word{i} {'x' * 50}{i} the" for i in range(50)]
    before = trained.encode_batch(texts)
    monkeypatch.setattr(wordpiece, "_CACHE_ENTRIES", 7)
    again = [trained.encode_batch([text])[0] for text in texts]
    assert again == before
    assert len(trained._cache) <= 7 + 3
    assert not any(len(chunk) > 40 for chunk in trained._cache)


def test_training_is_the_same_in_every_process(trained):
    code = (
        "from bert_jax.data.tokenizers import train_tokenizer;"
        f"print(train_tokenizer('wordpiece', iter({TEXT!r} * 5), 300, True).fingerprint)"
    )
    for _ in range(2):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert out.stdout.decode().strip() == trained.fingerprint


def test_training_reaches_the_size_and_knows_its_text(trained):
    assert trained.vocab_size <= 300
    assert [trained.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]
    ids = trained.encode_batch(TEXT)
    assert not any(trained.unk_id in row for row in ids)
    assert trained.decode(trained.encode_batch(["Unbelievably lazy"])[0]) == "unbelievably lazy"


def test_rare_characters_give_way_to_words():
    characters = "".join(chr(c) for c in range(0x4E00, 0x4E00 + 500))
    tokenizer = train_tokenizer(
        "wordpiece", iter(["the dog " * 100, characters]), 100, True, alphabet_share=0.5
    )
    assert tokenizer.vocab_size <= 100
    assert tokenizer.token_to_id("the") is not None
    assert tokenizer.encode_batch([characters])[0].count(tokenizer.unk_id) >= 450


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_sentencepiece_trains_the_same_model_and_never_matches_specials(model_type):
    def train():
        return train_tokenizer("sentencepiece", iter(WORDS), 60, False, model_type=model_type)

    tokenizer = train()
    assert tokenizer.fingerprint == train().fingerprint
    assert tokenizer.vocab_size == 60
    ids = tokenizer.encode_batch(["[MASK] is [CLS] [PAD]"])[0]
    specials = set(tokenizer.special_ids) - {tokenizer.unk_id}
    assert not specials & set(ids)
    assert tokenizer.decode([tokenizer.cls_id, *ids[:0], tokenizer.mask_id]) == "[CLS] [MASK]"


def test_sentencepiece_with_too_little_text_is_smaller(tmp_path):
    for model_type in ("unigram", "bpe"):
        tokenizer = train_tokenizer(
            "sentencepiece", iter(["a b c d ab"]), 5_000, True, model_type=model_type
        )
        assert 5 < tokenizer.vocab_size < 100


@pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
def test_a_saved_tokenizer_is_the_same_when_loaded(tmp_path, kind):
    tokenizer = train_tokenizer(kind, iter(TEXT + WORDS), 60, True)
    tokenizer.save(tmp_path)
    for path in (tmp_path, *tmp_path.glob("vocab.txt"), *tmp_path.glob("*.model")):
        loaded = load_tokenizer(path)
        assert loaded.fingerprint == tokenizer.fingerprint
        assert loaded.encode_batch(TEXT) == tokenizer.encode_batch(TEXT)
    assert load_tokenizer(tmp_path, lower_case=False).fingerprint != tokenizer.fingerprint


def test_packed_ids_are_those_of_the_batch(trained):
    ids, lengths = trained.encode_packed(TEXT)
    assert ids.dtype == np.uint16
    assert np.split(ids, np.cumsum(lengths)[:-1])[1].tolist() == trained.encode_batch(TEXT)[1]
    assert trained.encode_batch([]) == []


def test_case_is_seen_in_the_vocabulary_unless_it_is_said(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*SPECIAL_TOKENS, "[unused1]", "<S>", "the"]) + "\n")
    assert load_tokenizer(path).lower_case
    path.write_text("\n".join([*SPECIAL_TOKENS, "The"]) + "\r\n")
    assert not load_tokenizer(path).lower_case
    assert load_tokenizer(path).vocab_size == 6
    assert load_tokenizer(path, lower_case=True).lower_case
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    assert load_tokenizer(path).lower_case


def test_what_cannot_be_loaded_is_named(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the"]))
    with pytest.raises(DataError, match=r"vocab\.txt.*no \[MASK\]"):
        load_tokenizer(path)
    with pytest.raises(DataError, match="no such tokenizer"):
        load_tokenizer(tmp_path / "absent.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither vocab.txt"):
        load_tokenizer(tmp_path / "empty")
    (tmp_path / "bad.model").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="not a SentencePiece model"):
        load_tokenizer(tmp_path / "bad.model")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        load_tokenizer(path)
    with pytest.raises(ConfigError, match="kind"):
        train_tokenizer("bytes", iter(TEXT), 100, True)
