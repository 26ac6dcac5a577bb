"""A WordPiece tokenizer from the files of a folder, read as `transformers` reads them.

The vocabulary is vocab.txt or tokenizer.json; where both are there they have to agree. The rules
(lower-casing, accents, Chinese characters) come from the first of these that is there:

1. tokenizer.json, where tokenizer_config.json names a class that reads nothing else;
2. tokenizer_config.json; what it leaves unsaid has the defaults of `transformers`;
3. tokenizer.json;
4. the vocabulary: one with upper-case pieces is cased.

In the last two `transformers` lower-cases, whatever the vocabulary: we do not, as the cased
vocabularies of BERT's original checkpoints come without a word about it.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from bert_jax.data.tokenizer_json import SPECIAL_NAMES, WordPieceJson, read_tokenizer_json
from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.errors import DataError

# Classes of `transformers` that take everything from tokenizer.json.
_GENERIC_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
_RULES: dict[str, bool | None] = {
    "do_lower_case": True,
    "strip_accents": None,
    "tokenize_chinese_chars": True,
}


def read_wordpiece(file: Path, lower_case: bool | None = None) -> WordPiece:
    """Read the tokenizer of a folder from its vocab.txt or tokenizer.json.

    A vocabulary under another name goes without a tokenizer.json.

    Args:
        lower_case: overrides what the files say.

    Raises:
        DataError: files that disagree, tokens or names that BERT's WordPiece does not have.
        OSError: a file cannot be read.
    """
    config = read_settings(file.parent)
    library = file.with_name("tokenizer.json")
    has_library = file.name in ("vocab.txt", library.name) and library.is_file()
    found = read_tokenizer_json(library) if has_library else None
    vocabulary = _choose_vocabulary(file, found)
    _check_specials(file.parent, config, found)
    rules = _choose_rules(config, found, vocabulary, file)
    if lower_case is not None:
        rules["do_lower_case"] = lower_case
    return WordPiece(
        vocabulary,
        lower_case=bool(rules["do_lower_case"]),
        strip_accents=rules["strip_accents"],
        tokenize_chinese_chars=bool(rules["tokenize_chinese_chars"]),
        where=str(file),
    )


def read_vocabulary(path: Path) -> list[str]:
    """Return the lines of a vocab.txt; the line number is the id."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a vocabulary in UTF-8 ({error})") from None
    tokens = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    while tokens and not tokens[-1]:
        tokens.pop()
    return tokens


def looks_cased(vocabulary: Iterable[str]) -> bool:
    """Say whether pieces other than [SPECIALS] and <SPECIALS> hold upper-case ASCII letters."""
    upper, special = re.compile("[A-Z]"), re.compile(r"\[.+\]|<.+>")
    return any(upper.search(token) for token in vocabulary if not special.fullmatch(token))


def read_settings(folder: Path) -> dict:
    """Return what tokenizer_config.json says, nothing where there is none."""
    return _read_object(folder / "tokenizer_config.json")


def read_rule(settings: dict, name: str, folder: Path) -> bool | None:
    """Return a rule of tokenizer_config.json, None where it is unsaid."""
    value = settings.get(name)
    if value is not None and not isinstance(value, bool):
        raise DataError(
            f"{folder / 'tokenizer_config.json'}: {name} is {value!r}; wants true, false or null"
        )
    return value


def _choose_rules(
    config: dict, found: WordPieceJson | None, vocabulary: list[str], file: Path
) -> dict[str, bool | None]:
    if found is not None and (not config or config.get("tokenizer_class") in _GENERIC_CLASSES):
        return dict(found.rules)
    said = {name: read_rule(config, name, file.parent) for name in _RULES}
    rules = _RULES | {name: value for name, value in said.items() if value is not None}
    if not config:
        rules["do_lower_case"] = not looks_cased(vocabulary)
    return rules


def _choose_vocabulary(file: Path, found: WordPieceJson | None) -> list[str]:
    """Return the pieces by id; a vocab.txt wants a tokenizer.json beside it to agree."""
    if found is None:
        return read_vocabulary(file)
    pieces = found.pieces
    if file.name != "vocab.txt":
        if sorted(pieces.values()) != list(range(len(pieces))):
            raise DataError(
                f"{file}: its {len(pieces)} pieces do not have the ids 0 to {len(pieces) - 1}, "
                "each once; put the vocab.txt that it was made from beside it"
            )
        return sorted(pieces, key=pieces.__getitem__)
    vocabulary = read_vocabulary(file)
    # A reader of vocab.txt may drop blanks at the end of a line; of two lines the last counts.
    lines = {line.rstrip(): i for i, line in enumerate(vocabulary)}
    others = {piece.rstrip(): pieces[piece] for piece in sorted(pieces, key=pieces.__getitem__)}
    if lines != others:
        token, i = min(lines.items() ^ others.items(), key=lambda pair: pair[1])
        raise DataError(
            f"{file}: disagrees with the tokenizer.json beside it about {token!r} (id {i}); "
            "`transformers` reads the latter: delete the one that is out of date"
        )
    return vocabulary


def _check_specials(folder: Path, config: dict, found: WordPieceJson | None) -> None:
    """Refuse special tokens under other names, and added ones, which would be matched in text."""
    older = _read_object(folder / "special_tokens_map.json")
    for said, path in ((config, "tokenizer_config.json"), (older, "special_tokens_map.json")):
        for field, wanted in zip(SPECIAL_NAMES, SPECIAL_TOKENS, strict=True):
            got = said.get(field)
            if got is not None and _content(got) != wanted:
                raise DataError(
                    f"{folder / path}: {field} is {_content(got)!r}; a WordPiece needs {wanted}: "
                    "rename it in the vocabulary and in the settings, its id may stay"
                )
    added = [
        *(found.added if found is not None else ()),
        *_read_object(folder / "added_tokens.json"),
    ]
    for said in (config, older):
        added += (said.get("added_tokens_decoder") or {}).values()
        for field in ("additional_special_tokens", "extra_special_tokens"):
            added += said.get(field) or ()
    others = [name for name in map(_content, added) if name not in SPECIAL_TOKENS]
    if others:
        raise DataError(
            f"{folder}: {len(others)} added tokens ({others[0]!r}, ...) are matched whole in text, "
            "which only BERT's own specials may be; take a tokenizer without them"
        )


def _content(token) -> str:
    """Return the text of a token, written as a string or as an object."""
    return str(token.get("content") if isinstance(token, dict) else token)


def _read_object(path: Path) -> dict:
    """Return a file's JSON object, an empty one where there is no file."""
    if not path.is_file():
        return {}
    try:
        settings = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: unreadable ({error})") from None
    if not isinstance(settings, dict):
        raise DataError(f"{path}: not a JSON object")
    return settings
