"""Tokenizers of published folders: read as `transformers` reads them, refused in one line."""

import io
import json
import random
from pathlib import Path

import pytest
from sentencepiece import SentencePieceTrainer
from tokenizers import Tokenizer as Library
from tokenizers import models, normalizers, pre_tokenizers

from bert_jax.data.sentence_piece import SentencePiece
from bert_jax.data.tokenizers import load_tokenizer, train_tokenizer
from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.errors import DataError

GOLDEN = json.loads((Path(__file__).parent / "goldens" / "tokenizer_ids.json").read_text())
PIECES = [*SPECIAL_TOKENS, "the", "dog", "##s", "The", "é", "e", "中", "中国"]
TEXT = ["The dogs é 中国", "dogs", "[MASK] the", ""]


def write_settings(folder, **settings):
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def change_json(path, change):
    said = json.loads(path.read_text())
    change(said)
    path.write_text(json.dumps(said))


@pytest.fixture
def saved(tmp_path):
    """A folder as we save it: vocab.txt, tokenizer.json, tokenizer_config.json."""
    WordPiece(PIECES, lower_case=False).save(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_ids_are_those_of_transformers(tmp_path, name):
    case = GOLDEN["cases"][name]
    if case["rules"] is not None:
        WordPiece(
            GOLDEN["vocabulary"],
            lower_case=case["rules"]["lowercase"],
            strip_accents=case["rules"]["strip_accents"],
            tokenize_chinese_chars=case["rules"]["handle_chinese_chars"],
        ).save(tmp_path)
    text = "".join(piece + "\n" for piece in GOLDEN["vocabulary"])
    (tmp_path / "vocab.txt").write_text(text, encoding="utf-8")
    write_settings(tmp_path, **case["settings"])
    rows = load_tokenizer(tmp_path).encode_batch(GOLDEN["lines"])
    for line, row, want in zip(GOLDEN["lines"], rows, case["ids"], strict=True):
        assert row == want, repr(line)


def test_tokenizer_json_alone_is_enough(saved, tmp_path_factory):
    tokenizer = load_tokenizer(saved)
    alone = tmp_path_factory.mktemp("alone")
    (alone / "tokenizer.json").write_bytes((saved / "tokenizer.json").read_bytes())
    for path in (alone, alone / "tokenizer.json"):
        loaded = load_tokenizer(path)
        assert loaded.fingerprint == tokenizer.fingerprint
        assert loaded.encode_batch(TEXT) == tokenizer.encode_batch(TEXT)
    assert load_tokenizer(alone, lower_case=True).lower_case
    # Accents that are not spoken of follow the case, also where the case is overridden.
    change_json(alone / "tokenizer.json", lambda j: j["normalizer"].update(strip_accents=None))
    assert load_tokenizer(alone).strip_accents is False
    assert load_tokenizer(alone, lower_case=True).strip_accents is True


def test_an_older_tokenizer_json_and_one_with_padding_read_alike(saved):
    def age(said):
        del said["model"]["type"]
        said["truncation"] = {"max_length": 4, "strategy": "LongestFirst", "stride": 0}
        said["padding"] = {"strategy": {"Fixed": 9}, "direction": "Right", "pad_id": 0}
        said["padding"] |= {"pad_to_multiple_of": None, "pad_type_id": 0, "pad_token": "[PAD]"}

    before = load_tokenizer(saved)
    change_json(saved / "tokenizer.json", age)
    (saved / "vocab.txt").unlink()
    after = load_tokenizer(saved)
    assert after.fingerprint == before.fingerprint
    assert after.encode_batch(TEXT) == before.encode_batch(TEXT)


def test_a_vocabulary_and_a_tokenizer_json_have_to_agree(saved):
    vocabulary = saved / "vocab.txt"
    text = vocabulary.read_text()
    vocabulary.write_text(text.replace("dog\n", "cat\n"))
    with pytest.raises(DataError, match=r"vocab\.txt: disagrees .* '(dog|cat)' \(id 6\)"):
        load_tokenizer(saved)
    vocabulary.write_text(text + "more\n")
    with pytest.raises(DataError, match=r"'more' \(id 13\)"):
        load_tokenizer(saved)
    # Readers of vocab.txt differ in blanks at the end of a line; such a piece is never in text.
    vocabulary.write_text(text + "\u2028\n")
    WordPiece([*PIECES, ""], lower_case=False).save(saved / "other")
    (saved / "tokenizer.json").write_bytes((saved / "other" / "tokenizer.json").read_bytes())
    assert load_tokenizer(saved).vocab_size == 14
    (saved / "own_words.txt").write_text(text)  # under another name it stands for itself
    assert load_tokenizer(saved / "own_words.txt").vocab_size == 13


def make_other(kind):
    """Return a tokenizer that is not BERT's, of the same pieces."""
    ids = {piece: i for i, piece in enumerate(PIECES)}
    wordpiece = {"unk_token": "[UNK]", "max_input_chars_per_word": 100}
    if kind == "bpe":
        engine = Library(models.BPE(ids, [], unk_token="[UNK]"))
    elif kind == "prefix":
        engine = Library(models.WordPiece(ids, **wordpiece, continuing_subword_prefix="@@"))
    elif kind == "unknown":
        engine = Library(models.WordPiece(ids, **wordpiece | {"unk_token": "the"}))
    elif kind == "long words":
        engine = Library(models.WordPiece(ids, **wordpiece | {"max_input_chars_per_word": 200}))
    else:
        engine = Library(models.WordPiece(ids, **wordpiece))
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if kind == "normalizer":
        engine.normalizer = normalizers.NFKC()
    elif kind != "no normalizer":
        engine.normalizer = normalizers.BertNormalizer(clean_text=kind != "dirty")
    if kind == "words":
        engine.pre_tokenizer = pre_tokenizers.Whitespace()
    return engine


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("bpe", "type 'BPE'"),
        ("prefix", "continuing_subword_prefix '@@'"),
        ("unknown", "unk_token 'the'"),
        ("long words", "max_input_chars_per_word 200"),
        ("dirty", "clean_text False"),
        ("normalizer", "type 'NFKC'"),
        ("no normalizer", "its normalizer has type None"),
        ("words", "type 'Whitespace'"),
    ],
)
def test_another_tokenizer_is_refused_by_what_it_is(tmp_path, kind, named):
    make_other("bert").save(str(tmp_path / "tokenizer.json"))
    load_tokenizer(tmp_path)
    make_other(kind).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(DataError, match=named) as refused:
        load_tokenizer(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / 'tokenizer.json'}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("token", ["<pad>", {"content": "<pad>", "lstrip": False}])
def test_other_names_of_special_tokens_are_refused(saved, name, token):
    (saved / name).write_text(json.dumps({"pad_token": "[PAD]", "mask_token": None}))
    load_tokenizer(saved)
    (saved / name).write_text(json.dumps({"pad_token": token}))
    with pytest.raises(DataError, match=rf"{name}: pad_token is '<pad>'; .*\[PAD\]"):
        load_tokenizer(saved)


def add_to_library(folder):
    engine = Library.from_file(str(folder / "tokenizer.json"))
    engine.add_tokens(["[E1]"])
    engine.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").unlink()


@pytest.mark.parametrize(
    "add",
    [
        add_to_library,
        lambda folder: (folder / "added_tokens.json").write_text('{"[E1]": 13}'),
        lambda folder: write_settings(folder, added_tokens_decoder={"13": {"content": "[E1]"}}),
        lambda folder: write_settings(folder, additional_special_tokens=["[E1]"]),
    ],
)
def test_added_tokens_are_refused(saved, add):
    add(saved)
    with pytest.raises(DataError, match=r"1 added tokens \('\[E1\]'"):
        load_tokenizer(saved)


def test_broken_files_are_named(saved):
    write_settings(saved, do_lower_case="yes")
    with pytest.raises(DataError, match="do_lower_case is 'yes'; wants true, false or null"):
        load_tokenizer(saved)
    (saved / "tokenizer_config.json").write_text("[]")
    with pytest.raises(DataError, match=r"tokenizer_config\.json: not a JSON object"):
        load_tokenizer(saved)
    (saved / "tokenizer_config.json").write_text("{")
    with pytest.raises(DataError, match=r"tokenizer_config\.json: unreadable"):
        load_tokenizer(saved)
    (saved / "tokenizer_config.json").unlink()
    (saved / "vocab.txt").unlink()
    for text in ("{", "{}", '{"model": {"vocab": 3}}'):
        (saved / "tokenizer.json").write_text(text)
        with pytest.raises(DataError, match=r"tokenizer\.json: not a Hugging Face tokenizer"):
            load_tokenizer(saved)
    engine = Library(models.WordPiece({"[UNK]": 0, "the": 7}, unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer()
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.save(str(saved / "tokenizer.json"))
    with pytest.raises(DataError, match="do not have the ids 0 to 1"):
        load_tokenizer(saved)


@pytest.mark.parametrize("model_type", [None, "unigram", "bpe"])
@pytest.mark.parametrize("lower_case", [True, False])
def test_what_is_saved_gives_the_library_the_same_rows(tmp_path, model_type, lower_case):
    # Left out: marks that the library loses, repetitions whose segmentations score the same.
    lines = [x for x in GOLDEN["lines"] if not set(x) & set("\u0323\uff9f…") and len(x) < 60]
    draw = random.Random(0)
    syllables = ["ba", "ko", "ri", "ten", "mu", "sal", "ven", "ji", "nor", "pe"]
    words = ["".join(draw.choices(syllables, k=3)) for _ in range(60)]
    lines += [" ".join(draw.choices(words, k=9)) for _ in range(40)]
    if model_type is None:
        tokenizer = WordPiece(GOLDEN["vocabulary"], lower_case=lower_case)
    else:
        tokenizer = train_tokenizer(
            "sentencepiece", iter(lines * 5), 250, lower_case, model_type=model_type
        )
    tokenizer.save(tmp_path)
    library = Library.from_file(str(tmp_path / "tokenizer.json"))
    lines += ["\x85a", "ʘʘʘ ʘa", "  a   b "]  # odd ends, letters that the text did not have
    rows = tokenizer.encode_batch(lines)
    cls, sep = [tokenizer.cls_id], [tokenizer.sep_id]
    for i, line in enumerate(lines):
        assert library.encode(line).ids == cls + rows[i] + sep, repr(line)
        pair = library.encode(line, lines[i - 1])
        first, second = cls + rows[i] + sep, rows[i - 1] + sep
        assert pair.ids == first + second
        assert pair.type_ids == [0] * len(first) + [1] * len(second)
    masked = library.encode("a [MASK] b").ids  # where a model is used, [MASK] is a token
    assert masked.count(tokenizer.mask_id) == 1
    assert tokenizer.mask_id not in tokenizer.encode_batch(["é[MASK]é"])[0]  # ours stays text
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    generic = settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert generic == (model_type is not None)
    assert library.token_to_id(settings["mask_token"]) == tokenizer.mask_id
    assert library.decode(library.encode("ab a").ids) == "ab a"


def test_a_model_that_the_library_cannot_follow_goes_without_tokenizer_json(tmp_path, caplog):
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(GOLDEN["lines"] * 5),
        model_writer=model,
        vocab_size=200,
        hard_vocab_limit=False,
        minloglevel=3,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        pad_piece="[PAD]",
        unk_piece="[UNK]",
        control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        user_defined_symbols=["hello"],
    )
    SentencePiece(model.getvalue(), lower_case=True).save(tmp_path)
    assert "it has user-defined pieces" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "tokenizer.model",
        "tokenizer_config.json",
    ]
    assert load_tokenizer(tmp_path).lower_case
