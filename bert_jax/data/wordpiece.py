"""BERT's WordPiece: exactly the ids of Hugging Face `tokenizers`, through a cache of chunks."""

import hashlib
import json
import re
import struct
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from bert_jax.data.tokenizer_json import write_tokenizer
from bert_jax.errors import DataError
from bert_jax.whole import write_text

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_WORD_CHARACTERS = 100
# Under BERT's rules no word piece spans an ASCII blank, and an ideograph of the main block always
# stands alone; so the ids of a text are those of its chunks, one after the other. Other blanks
# (\x0b, \x85, ...) may be removed by BERT, which joins their neighbours: they are no boundary.
_CHUNK = re.compile("[\u4e00-\u9fff]|[^ \t\n\r\u4e00-\u9fff]+")
_CHUNK_WITHOUT_IDEOGRAPHS = re.compile("[^ \t\n\r]+")
_ASCII_WORD = re.compile("[a-z0-9]+|[^a-z0-9]", re.IGNORECASE | re.ASCII)
_CACHED_CHUNK_CHARACTERS = 40
_CACHE_ENTRIES = 300_000


class WordPiece:
    """A WordPiece vocabulary with BERT's normalisation; literal specials in text stay text."""

    kind = "wordpiece"

    def __init__(
        self,
        vocabulary: Sequence[str],
        *,
        lower_case: bool,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        where: str = "the vocabulary",
    ):
        self._tokens = list(vocabulary)
        self._ids = {token: i for i, token in enumerate(self._tokens)}
        for token in SPECIAL_TOKENS:
            if token not in self._ids:
                raise DataError(
                    f"{where}: no {token} among its {len(self._tokens)} tokens; BERT needs "
                    f"{', '.join(SPECIAL_TOKENS)}: add it or train a vocabulary"
                )
        self.lower_case = lower_case
        self.strip_accents = lower_case if strip_accents is None else strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self.vocab_size = len(self._tokens)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (
            self._ids[token] for token in SPECIAL_TOKENS
        )
        self.special_ids = tuple(sorted(self._ids[token] for token in SPECIAL_TOKENS))
        self.id_type = np.dtype(np.uint16 if self.vocab_size <= 65_536 else np.uint32)
        settings = json.dumps(self._settings(), sort_keys=True)
        content = "\n".join([self.kind, settings, *self._tokens])
        self.fingerprint = hashlib.sha256(content.encode()).hexdigest()
        self._find_any_chunks = (
            _CHUNK if tokenize_chinese_chars else _CHUNK_WITHOUT_IDEOGRAPHS
        ).findall
        self._cache: dict[str, bytes] = {}
        self._word_cache: dict[str, bytes] = {}
        self._continuations = {
            token[2:]: i for token, i in self._ids.items() if token.startswith("##")
        }
        self._longest = max(map(len, self._tokens))
        self._engine = None

    def _settings(self) -> dict[str, bool]:
        return {
            "do_lower_case": self.lower_case,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": self.tokenize_chinese_chars,
        }

    def engine(self):
        """Return the Hugging Face tokenizer that decides the ids."""
        if self._engine is None:
            self._engine = self._make_engine()
        return self._engine

    def _make_engine(self):
        from tokenizers import Tokenizer, decoders
        from tokenizers.models import WordPiece as Model

        model = Model(
            vocab=self._ids, unk_token="[UNK]", max_input_chars_per_word=MAX_WORD_CHARACTERS
        )
        engine = Tokenizer(model)
        engine.decoder = decoders.WordPiece(prefix="##")
        set_rules(engine, self.lower_case, self.strip_accents, self.tokenize_chinese_chars)
        return engine

    def encode_packed(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all texts in one array, and the number of ids of each text."""
        cache = self._cache
        if len(cache) > _CACHE_ENTRIES:  # starting anew costs little and follows the text
            cache.clear()
            self._word_cache.clear()
        rows = [self._find_chunks(text) for text in texts]
        unknown = set(chain.from_iterable(rows)).difference(cache)
        cache.update(self._encode_chunks(unknown))
        packed = [b"".join(map(cache.__getitem__, row)) for row in rows]
        for chunk in unknown:
            if len(chunk) > _CACHED_CHUNK_CHARACTERS:
                del cache[chunk]
        size = self.id_type.itemsize
        lengths = np.fromiter((len(p) // size for p in packed), np.int64, len(packed))
        return np.frombuffer(b"".join(packed), self.id_type), lengths

    def _find_chunks(self, text: str) -> list[str]:
        # Printable ASCII has no blank but the space, and there str.split is the fastest.
        if text.isascii() and text.isprintable():
            return text.split()
        return self._find_any_chunks(text)

    def _encode_chunks(self, chunks: set[str]) -> dict[str, bytes]:
        """Return the packed ids of chunks: ASCII here, anything else by the library."""
        found: dict[str, bytes] = {}
        others = []
        words = self._word_cache
        for chunk in chunks:
            if not (chunk.isascii() and chunk.isprintable()):
                others.append(chunk)
                continue
            parts = _ASCII_WORD.findall(chunk)
            for word in parts:
                if word not in words:
                    words[word] = self._split_word(word)
            found[chunk] = b"".join([words[word] for word in parts])
        if others:
            encodings = self.engine().encode_batch_fast(others, add_special_tokens=False)
            for chunk, encoding in zip(others, encodings, strict=True):
                found[chunk] = np.array(encoding.ids, self.id_type).tobytes()
        return found

    def _split_word(self, word: str) -> bytes:
        """Return the packed ids of an ASCII word by longest match first; all of it or [UNK]."""
        if len(word) > MAX_WORD_CHARACTERS:
            return self._pack(self.unk_id)
        if self.lower_case:
            word = word.lower()
        pieces: list[int] = []
        start, length, ids = 0, len(word), self._ids
        while start < length:
            for end in range(min(length, start + self._longest), start, -1):
                found = ids.get(word[start:end])
                if found is not None:
                    break
            else:
                return self._pack(self.unk_id)
            pieces.append(found)
            start, ids = end, self._continuations
        return self._pack(*pieces)

    def _pack(self, *ids: int) -> bytes:
        return struct.pack(f"={len(ids)}{self.id_type.char}", *ids)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, without [CLS] and [SEP]."""
        ids, lengths = self.encode_packed(texts)
        pieces = np.split(ids, np.cumsum(lengths)[:-1]) if len(lengths) else []
        return [piece.tolist() for piece in pieces]

    def decode(self, ids: Sequence[int]) -> str:
        """Return readable text: continuations joined, specials as they are."""
        words: list[str] = []
        for i in ids:
            token = self._tokens[int(i)]
            if token.startswith("##") and len(token) > 2 and words:
                words[-1] += token[2:]
            else:
                words.append(token)
        return " ".join(words)

    def id_to_token(self, id: int) -> str:
        """Return the piece with this id."""
        return self._tokens[id]

    def token_to_id(self, token: str) -> int | None:
        """Return the id of a piece, None where the vocabulary lacks it."""
        return self._ids.get(token)

    def save(self, directory: Path) -> None:
        """Write vocab.txt, tokenizer.json and tokenizer_config.json, for `transformers` too."""
        directory.mkdir(parents=True, exist_ok=True)
        write_text(directory / "vocab.txt", "".join(token + "\n" for token in self._tokens))
        engine = self._make_engine()  # a fresh one: with its specials it matches them in text
        write_tokenizer(directory, engine, SPECIAL_TOKENS, "BertTokenizer", self._settings())


def set_rules(engine, lower_case: bool, strip_accents: bool, chinese: bool) -> None:
    """Give a Hugging Face tokenizer BERT's normalisation and its words."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    engine.normalizer = BertNormalizer(
        clean_text=True,
        handle_chinese_chars=chinese,
        strip_accents=strip_accents,
        lowercase=lower_case,
    )
    engine.pre_tokenizer = BertPreTokenizer()
