"""What a prepared corpus is made from, field by field as in configs/prepare.py."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TokenizerConfig:
    """A tokenizer to load, or how to train one."""

    path: str  # folder, vocab.txt or .model; '' trains one
    kind: str  # 'wordpiece' or 'sentencepiece', if trained
    vocab_size: int  # pieces, if trained
    lower_case: bool | None  # None: as the given vocabulary is; a trained one is lower-cased
    model_type: str  # 'unigram' or 'bpe', if a SentencePiece model is trained
    training_megabytes: float  # millions of characters to train on
    alphabet_share: float  # most of a WordPiece vocabulary that single characters take

    def __post_init__(self) -> None:
        _require("tokenizer.kind", self.kind, self.kind in ("wordpiece", "sentencepiece"))
        _require("tokenizer.model_type", self.model_type, self.model_type in ("unigram", "bpe"))
        _require("tokenizer.vocab_size", self.vocab_size, 8 <= self.vocab_size < 2**31)
        _require(
            "tokenizer.training_megabytes", self.training_megabytes, self.training_megabytes > 0
        )
        _require("tokenizer.alphabet_share", self.alphabet_share, 0 < self.alphabet_share <= 1)


@dataclass(frozen=True)
class PrepareConfig:
    """Everything that decides the bytes of a prepared corpus."""

    input: str
    format: str
    text_field: str
    document_separator: str
    language: str
    tokenizer: TokenizerConfig
    validation_share: float
    seed: int
    shard_tokens: int
    max_sentence_characters: int
    max_document_characters: int

    def __post_init__(self) -> None:
        _require("validation_share", self.validation_share, 0 <= self.validation_share <= 0.5)
        _require("seed", self.seed, 0 <= self.seed < 2**63)
        _require("shard_tokens", self.shard_tokens, 0 < self.shard_tokens < 2**31)
        most = self.max_sentence_characters
        _require("max_sentence_characters", most, most > 0)
        # Offsets are 32 bits, and a shard holds one document more than its size.
        _require(
            "max_document_characters",
            self.max_document_characters,
            0 < self.max_document_characters <= 2**30,
        )


def _require(name: str, value: Any, holds: bool) -> None:
    if not holds:
        raise ValueError(f"{name}: {value!r} is not possible; see the comment in the config file")
