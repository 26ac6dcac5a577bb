"""Text to ids and back: what a tokenizer offers, and how to train and load one."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from absl import logging

from bert_jax.data.sentence_piece import SentencePiece, train_sentencepiece
from bert_jax.data.wordpiece_files import read_rule, read_settings, read_wordpiece
from bert_jax.data.wordpiece_training import train_wordpiece
from bert_jax.errors import ConfigError, DataError


class Tokenizer(Protocol):
    """Text to ids and back. Literal specials in text ("[MASK]") are text like any other."""

    kind: str  # 'wordpiece' | 'sentencepiece'
    lower_case: bool
    vocab_size: int
    pad_id: int
    unk_id: int
    cls_id: int
    sep_id: int
    mask_id: int
    special_ids: tuple[int, ...]  # the five above, sorted
    id_type: np.dtype  # the smallest of uint16 and uint32 that holds every id
    fingerprint: str  # sha256 over the vocabulary and the settings that change ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, without [CLS] and [SEP]."""
        ...

    def encode_packed(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all texts in one array, and the number of ids of each text."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return readable text, specials as they are."""
        ...

    def id_to_token(self, id: int) -> str:
        """Return the piece with this id."""
        ...

    def token_to_id(self, token: str) -> int | None:
        """Return the id of a piece, None where there is none."""
        ...

    def save(self, directory: Path) -> None:
        """Write the files that `load_tokenizer` reads."""
        ...


def load_tokenizer(path: str | Path, lower_case: bool | None = None) -> Tokenizer:
    """Load a tokenizer from a folder, a vocab.txt, a tokenizer.json or a SentencePiece model.

    Args:
        path: a folder with vocab.txt, tokenizer.model or tokenizer.json, or such a file.
        lower_case: whether text is lower-cased; None takes it from the files beside it, as
            `wordpiece_files` describes; a SentencePiece model is cased where nothing is said.

    Raises:
        DataError: nothing there, not readable, or not a tokenizer that BERT can use.
    """
    file = _find_file(Path(path))
    try:
        if file.suffix != ".model":
            return read_wordpiece(file, lower_case)
        if lower_case is None:
            lower_case = read_rule(read_settings(file.parent), "do_lower_case", file.parent)
        return SentencePiece(file.read_bytes(), lower_case=bool(lower_case), where=str(file))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from None


def train_tokenizer(
    kind: str,
    texts: Iterator[str],
    vocab_size: int,
    lower_case: bool,
    *,
    model_type: str = "unigram",
    alphabet_share: float = 0.75,
) -> Tokenizer:
    """Train a tokenizer; the same text gives the same one.

    Args:
        kind: 'wordpiece' or 'sentencepiece'.
        texts: a sample of the corpus, paragraphs by newline; held in memory.
        vocab_size: the most pieces, specials included.
        lower_case: whether text is lower-cased (WordPiece: and stripped of accents) first.
        model_type: 'unigram' or 'bpe', SentencePiece only.
        alphabet_share: WordPiece only: the most of the vocabulary that single characters take.
    """
    if kind == "sentencepiece":
        return train_sentencepiece(texts, vocab_size, lower_case=lower_case, model_type=model_type)
    if kind != "wordpiece":
        raise ConfigError(
            f"config.tokenizer.kind: got {kind!r}, wants 'wordpiece' or 'sentencepiece'"
        )
    tokenizer = train_wordpiece(
        texts, vocab_size, lower_case=lower_case, alphabet_share=alphabet_share
    )
    if tokenizer.vocab_size < vocab_size:
        logging.warning(
            "config.tokenizer.vocab_size: the text supports %d pieces, not %d",
            tokenizer.vocab_size,
            vocab_size,
        )
    return tokenizer


def _find_file(path: Path) -> Path:
    if path.is_dir():
        for name in ("vocab.txt", "tokenizer.model", "spiece.model", "tokenizer.json"):
            if (path / name).is_file():
                return path / name
        raise DataError(f"{path}: holds neither vocab.txt, tokenizer.model nor tokenizer.json")
    if not path.is_file():
        raise DataError(
            f"{path}: no such tokenizer; wants a folder, a vocab.txt, a .model or a tokenizer.json"
        )
    return path
