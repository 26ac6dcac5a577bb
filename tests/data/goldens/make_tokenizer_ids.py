"""Write tokenizer_ids.json: what `transformers` makes of nasty lines, by the files of a folder.

pip install transformers==5.23.0
python tests/data/goldens/make_tokenizer_ids.py
"""

import json
import tempfile
import unicodedata
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import AutoTokenizer

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "hello Hello HELLO ##llo ##LLO unaffable un ##aff ##able ##ing the naive".split()
LINES = [
    *("Hello, WORLD!", "  unaffable\t\nHELLOing  ", "don't can't o'clock", "a_b-c/d\\e"),
    *("x" * 99, "x" * 100, "x" * 101, "the " + "ab" * 110 + " the", "é" * 100, "e\u0301" * 60),
    *("中" * 120, "a\x00b", "a\x07b", "a\x0bb", "a\x1cb", "a\x7fb", "a\x85b", "a\xa0b", "a\xadb"),
    *("a\u200bb", "a\u200db", "a\u2028b", "a\u3000b", "\ufeffa", "a\ufffdb", "a\ue000b"),
    *("a\u0378b", "Café naïve Zoë", "Cafe\u0301 nai\u0308ve", "\u0301 a", "n\u0303\u0323"),
    *("Å Å ß İ ı Ǆ ﬁ", "ΟΔΟΣ οδος ς", "Москва Ёлка ёж", "שָׁלוֹם עולם", "مرحبا", "\u202eabc\u202c"),
    *("हिन्दी", "ไทย", "今天天气很好。", "我love北京", "〇々〆", "\u3400x", "\U00020000y"),
    *("\uf900z", "が か\u3099", "カ\uff8a\uff9f", "한국어 한", "Ａ１！ａ", "½ ① ㎏", "👍🏽 ok"),
    *("👨\u200d👩\u200d👧", "🇩🇪", "❤\ufe0f", "“a” ‘b’ … —", "[mask] [ MASK ]", "##ing [unk"),
    *("$5^x~`|<>", "1,234.56 3.5%", "", " ", "\u0000", "a\r\nb", "¿Qué? ¡No!"),
]  # fmt: skip
# What is in the folder: tokenizer_config.json, and the rules in tokenizer.json or None.
CASES = {
    "uncased": ({"do_lower_case": True}, None),
    "cased": ({"do_lower_case": False}, None),
    "nothing said": ({"model_max_length": 512}, None),
    "nulls": ({"do_lower_case": True, "strip_accents": None}, None),
    "accents kept": ({"do_lower_case": True, "strip_accents": False}, None),
    "accents stripped": ({"do_lower_case": False, "strip_accents": True}, None),
    "ideographs kept": ({"do_lower_case": True, "tokenize_chinese_chars": False}, None),
    "settings win": (
        {"do_lower_case": True, "tokenizer_class": "BertTokenizer"},
        {"lowercase": False, "strip_accents": None, "handle_chinese_chars": False},
    ),
    "silent settings win": (
        {"model_max_length": 512},
        {"lowercase": False, "strip_accents": None, "handle_chinese_chars": True},
    ),
    "a class that reads tokenizer.json": (
        {"do_lower_case": True, "tokenizer_class": "PreTrainedTokenizerFast"},
        {"lowercase": False, "strip_accents": None, "handle_chinese_chars": False},
    ),
}


def make_vocabulary() -> list[str]:
    """Return words, and most characters of the lines in every form that a rule may give them."""
    text = "".join(LINES)
    forms = {text, text.lower(), unicodedata.normalize("NFD", text.lower())}
    characters = sorted({c for form in forms for c in form if not c.isspace()})
    kept = [c for i, c in enumerate(characters) if i % 11]
    return SPECIALS + WORDS + kept + ["##" + c for c in kept]


def encode(folder: Path, vocabulary: list[str], settings: dict, rules: dict | None) -> list:
    """Return the ids of each line by the tokenizer that the folder's files make."""
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    if rules is not None:
        ids = {piece: i for i, piece in enumerate(vocabulary)}
        library = Tokenizer(WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
        library.normalizer = BertNormalizer(clean_text=True, **rules)
        library.pre_tokenizer = BertPreTokenizer()
        library.save(str(folder / "tokenizer.json"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer(LINES, add_special_tokens=False)["input_ids"]


if __name__ == "__main__":
    pieces = make_vocabulary()
    cases = {}
    for name, (settings, rules) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            ids = encode(Path(folder), pieces, settings, rules)
        cases[name] = {"settings": settings, "rules": rules, "ids": ids}
    golden = {"vocabulary": pieces, "lines": LINES, "cases": cases}
    path = Path(__file__).with_name("tokenizer_ids.json")
    path.write_text(json.dumps(golden) + "\n")
