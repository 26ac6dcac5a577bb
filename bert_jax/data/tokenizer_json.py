"""Hugging Face's tokenizer.json: a BERT WordPiece read from it, any of our tokenizers written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bert_jax.errors import DataError
from bert_jax.whole import write_text

# The fields of tokenizer_config.json that name [PAD], [UNK], [CLS], [SEP] and [MASK].
SPECIAL_NAMES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
# What a tokenizer.json has to hold for its ids to be those of BERT's WordPiece, by place.
_BERT = {
    ("model", "type"): "WordPiece",
    ("model", "continuing_subword_prefix"): "##",
    ("model", "unk_token"): "[UNK]",
    ("model", "max_input_chars_per_word"): 100,
    ("normalizer", "type"): "BertNormalizer",
    ("normalizer", "clean_text"): True,
    ("pre_tokenizer", "type"): "BertPreTokenizer",
}


@dataclass(frozen=True)
class WordPieceJson:
    """What a tokenizer.json says about a BERT WordPiece.

    Attributes:
        pieces: the id of each piece, added ones included.
        added: tokens that the library matches whole in text.
        rules: do_lower_case, strip_accents (None: where lower-cased), tokenize_chinese_chars.
    """

    pieces: dict[str, int]
    added: tuple[str, ...]
    rules: dict[str, bool | None]


def read_tokenizer_json(path: Path) -> WordPieceJson:
    """Read a BERT WordPiece; truncation, padding and [CLS] templates in the file are left aside.

    Raises:
        DataError: not such a file, or another tokenizer than BERT's.
    """
    from tokenizers import Tokenizer

    try:
        engine = Tokenizer.from_str(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # the library raises nothing more specific
        raise DataError(f"{path}: not a Hugging Face tokenizer ({error})") from None
    said = json.loads(engine.to_str())  # as the library understood it: older files name no types
    for (part, name), wanted in _BERT.items():
        got = (said[part] or {}).get(name)
        if got != wanted:
            raise DataError(
                f"{path}: its {part} has {name} {got!r}; only BERT's WordPiece can be read from "
                f"here, with {wanted!r}: take a model with such a tokenizer"
            )
    return WordPieceJson(
        pieces=engine.get_vocab(with_added_tokens=True),
        added=tuple(token["content"] for token in said["added_tokens"]),
        rules={
            "do_lower_case": said["normalizer"]["lowercase"],
            "strip_accents": said["normalizer"]["strip_accents"],
            "tokenize_chinese_chars": said["normalizer"]["handle_chinese_chars"],
        },
    )


def write_tokenizer(
    directory: Path, engine, specials: Sequence[str], class_name: str, rules: Mapping[str, bool]
) -> None:
    """Write tokenizer.json and tokenizer_config.json, from which `transformers` tokenises alike.

    Args:
        engine: a `tokenizers.Tokenizer` of plain text; it is given the specials, which it then
            matches in text, and the rows "[CLS] a [SEP]" and "[CLS] a [SEP] b [SEP]". None
            leaves tokenizer.json out.
        specials: the names of [PAD], [UNK], [CLS], [SEP] and [MASK] in the vocabulary.
        class_name: the class of `transformers` that reads the folder.
        rules: further settings, such as do_lower_case.
    """
    if engine is not None:
        _add_specials(engine, specials)
        write_text(directory / "tokenizer.json", engine.to_str(pretty=True) + "\n")
    config = {
        "tokenizer_class": class_name,
        **rules,
        "model_max_length": 512,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **dict(zip(SPECIAL_NAMES, specials, strict=True)),
    }
    write_text(directory / "tokenizer_config.json", json.dumps(config, indent=2) + "\n")


def _add_specials(engine, specials: Sequence[str]) -> None:
    from tokenizers import AddedToken, processors

    engine.add_special_tokens([AddedToken(token, special=True) for token in specials])
    _, _, cls, sep, _ = specials
    engine.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(token, engine.token_to_id(token)) for token in (cls, sep)],
    )
