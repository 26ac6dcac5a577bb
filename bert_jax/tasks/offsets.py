"""Texts to token ids, with the characters of the text that each token stands for.

A tokenizer gives ids alone. So a text is cut where no token can reach across, each chunk is encoded
by itself, and its pieces are laid along its characters. Both are compared in a folded form (no
case, no accents, compatibility forms spelled out), in which whatever a tokenizer's own
normalisation did to the chunk no longer shows.
"""

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.data.wordpiece import WordPiece

# ASCII blanks separate tokens of any kind. In BERT's WordPiece an ASCII symbol is a token of its
# own, and so is an ideograph of the main block, where the tokenizer splits Chinese at all.
_WORD = re.compile("[^ \t\n\r]+")
_SYMBOL = "!-/:-@\\[-`{-~"
_PART = re.compile(f"[{_SYMBOL}]|[^ \t\n\r{_SYMBOL}]+")
_IDEOGRAPH = "\u4e00-\u9fff"
_CHARACTER = re.compile(f"[{_SYMBOL}{_IDEOGRAPH}]|[^ \t\n\r{_SYMBOL}{_IDEOGRAPH}]+")

_END = "\n"  # nothing folds to it

Span = tuple[int, int]


@dataclass(frozen=True)
class Tokens:
    """A text's ids; token i stands for the characters starts[i] to ends[i] of the text.

    Pieces of one character share it. A piece without a character of its own has an empty span, at
    the character that follows. Where pieces cannot be laid along a chunk, each has all of it.
    """

    ids: list[int]
    starts: list[int]
    ends: list[int]


def encode_with_offsets(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Tokens]:
    """Encode texts, each distinct chunk of them once."""
    chunks = _chunks_of(tokenizer)
    distinct = list({match[0]: None for text in texts for match in chunks.finditer(text)})
    known = {
        chunk: (ids, _align(tokenizer, chunk, ids))
        for chunk, ids in zip(distinct, tokenizer.encode_batch(distinct), strict=True)
    }
    found = []
    for text in texts:
        tokens = Tokens([], [], [])
        for match in chunks.finditer(text):
            ids, spans = known[match[0]]
            at = match.start()
            tokens.ids.extend(ids)
            tokens.starts.extend([at + start for start, _ in spans])
            tokens.ends.extend([at + end for _, end in spans])
        found.append(tokens)
    return found


def _chunks_of(tokenizer: Tokenizer) -> re.Pattern[str]:
    if not isinstance(tokenizer, WordPiece):
        return _WORD
    return _CHARACTER if tokenizer.tokenize_chinese_chars else _PART


def _align(tokenizer: Tokenizer, chunk: str, ids: list[int]) -> list[Span]:
    """Return the characters of the chunk that each of its pieces stands for."""
    whole = [(0, len(chunk))] * len(ids)
    if len(ids) == 1 and chunk.isascii() and chunk.isprintable():
        return whole
    folded, spans = _fold_with_spans(chunk)
    if not folded:
        return whole
    pieces = [_fold_piece(tokenizer, i) for i in ids]
    found, at = [], 0
    for piece, following in zip(pieces, [*pieces[1:], _END], strict=True):
        if piece is not None:
            end = at + len(piece) if folded.startswith(piece, at) else -1
        elif following is not None:  # unknown: what stands before the next piece
            end = f"{folded}{_END}".find(following, at + 1)
        else:
            end = -1
        if end < 0:
            return whole
        found.append(_join(spans[at:end]) if end > at else _before(spans, at))
        at = end
    return found if at == len(folded) else whole


def _fold_piece(tokenizer: Tokenizer, id: int) -> str | None:
    """Return the folded characters of a piece, None for the unknown one."""
    if id == tokenizer.unk_id:
        return None
    piece = tokenizer.id_to_token(id)
    if tokenizer.kind == "wordpiece" and len(piece) > 2:
        piece = piece.removeprefix("##")
    return "".join(map(_fold, piece))


def _fold_with_spans(chunk: str) -> tuple[str, list[Span]]:
    """Return the folded chunk, and the characters of the chunk that each of its own came from."""
    folded: list[str] = []
    spans: list[Span] = []
    for start, character in enumerate(chunk):
        letters = _fold(character)
        if letters:
            end = start + 1
            while end < len(chunk) and unicodedata.category(chunk[end]) == "Mn":
                end += 1  # marks belong to the letter before them
            folded.append(letters)
            spans += [(start, end)] * len(letters)
    return "".join(folded), spans


@functools.lru_cache(maxsize=100_000)
def _fold(character: str) -> str:
    """Spell out a character without case and marks; "" for a mark, a control or a blank."""
    spelled = unicodedata.normalize("NFKD", character).casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", spelled) if not _is_dropped(c))


def _is_dropped(character: str) -> bool:
    # SentencePiece writes a blank as U+2581, and BERT removes U+FFFD.
    category = unicodedata.category(character)
    return category == "Mn" or category[0] in "CZ" or character in "\u2581\ufffd"


def _join(spans: list[Span]) -> Span:
    return spans[0][0], spans[-1][1]


def _before(spans: list[Span], at: int) -> Span:
    """Return the empty span before a folded character, or after the last one."""
    place = spans[at][0] if at < len(spans) else spans[-1][1]
    return place, place
