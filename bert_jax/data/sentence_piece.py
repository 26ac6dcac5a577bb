"""A SentencePiece model (unigram or BPE) with BERT's special tokens."""

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from absl import logging

from bert_jax.data.sentence_piece_json import find_obstacle, make_engine, parse_model
from bert_jax.data.tokenizer_json import write_tokenizer
from bert_jax.errors import ConfigError, DataError
from bert_jax.whole import whole_file

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Models trained elsewhere (ALBERT's, T5's) name two of them in this way.
_OTHER_NAMES = {"[PAD]": "<pad>", "[UNK]": "<unk>"}
_TRAINING_THREADS = 2  # fixed: sums over threads decide the last bits of the scores
_LONGEST_TRAINING_LINE = 8_192  # bytes; the library leaves longer lines out in silence


class SentencePiece:
    """A SentencePiece model; control symbols are never matched in text."""

    kind = "sentencepiece"

    def __init__(self, model: bytes, *, lower_case: bool, where: str = "the model"):
        from sentencepiece import SentencePieceProcessor

        try:
            self._processor = SentencePieceProcessor(model_proto=model)
            self.vocab_size = int(self._processor.get_piece_size())
        except RuntimeError as error:
            raise DataError(f"{where}: not a SentencePiece model ({error})") from None
        self._model = model
        self.lower_case = lower_case
        ids = [self._find_special(token, where) for token in SPECIAL_TOKENS]
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = ids
        self.special_ids = tuple(sorted(ids))
        self.id_type = np.dtype(np.uint16 if self.vocab_size <= 65_536 else np.uint32)
        settings = json.dumps({"do_lower_case": lower_case})
        content = self.kind.encode() + settings.encode() + model
        self.fingerprint = hashlib.sha256(content).hexdigest()
        # A model made elsewhere may match "[MASK]" in text: such text is broken up first.
        matched = [
            re.escape(self.id_to_token(i))
            for i in self.special_ids
            if i != self.unk_id and not self._processor.is_control(i)
        ]
        self._matched = re.compile("|".join(matched)) if matched else None

    def _find_special(self, token: str, where: str) -> int:
        for name in (token, _OTHER_NAMES.get(token)):
            found = None if name is None else self.token_to_id(name)
            if found is not None:
                return found
        raise DataError(
            f"{where}: no {token} among its {self.vocab_size} pieces; BERT needs "
            f"{', '.join(SPECIAL_TOKENS)}: train a model here, or with these as control symbols"
        )

    def encode_packed(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all texts in one array, and the number of ids of each text."""
        rows = self.encode_batch(texts)
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        total = int(lengths.sum())
        return np.fromiter(chain.from_iterable(rows), self.id_type, total), lengths

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, without [CLS] and [SEP]."""
        texts = list(texts)
        if self.lower_case:
            texts = [text.lower() for text in texts]
        if self._matched is not None:
            texts = [self._matched.sub(lambda m: " ".join(m[0]), text) for text in texts]
        return self._processor.encode(texts, out_type=int, num_threads=1) if texts else []

    def decode(self, ids: Sequence[int]) -> str:
        """Return readable text, specials as they are."""
        parts: list[str] = []
        plain: list[int] = []
        for i in [*map(int, ids), None]:
            if i is not None and i not in self.special_ids:
                plain.append(i)
                continue
            if plain:
                parts.append(self._processor.decode(plain))
                plain = []
            if i is not None:
                parts.append(self.id_to_token(i))
        return " ".join(parts)

    def id_to_token(self, id: int) -> str:
        """Return the piece with this id."""
        return self._processor.id_to_piece(int(id))

    def token_to_id(self, token: str) -> int | None:
        """Return the id of a piece, None where the model lacks it."""
        found = self._processor.piece_to_id(token)
        return found if self._processor.id_to_piece(found) == token else None

    def save(self, directory: Path) -> None:
        """Write tokenizer.model and, for `transformers`, tokenizer.json and its settings."""
        directory.mkdir(parents=True, exist_ok=True)
        with whole_file(directory / "tokenizer.model") as file:
            file.write(self._model)
        spec = parse_model(self._model)
        obstacle = find_obstacle(spec)
        if obstacle:
            logging.warning(
                "%s: no tokenizer.json, so `transformers` cannot read it: %s", directory, obstacle
            )
        engine = None if obstacle else make_engine(spec, self.lower_case)
        ids = (self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id)
        specials = [self.id_to_token(i) for i in ids]
        rules = {"do_lower_case": self.lower_case}
        write_tokenizer(directory, engine, specials, "PreTrainedTokenizerFast", rules)


def train_sentencepiece(
    texts: Iterator[str], vocab_size: int, *, lower_case: bool, model_type: str
) -> SentencePiece:
    """Train a model of `vocab_size` pieces; a smaller one, with a warning, for too little text."""
    from sentencepiece import SentencePieceTrainer

    lines = list(_training_lines(texts, lower_case))
    if not lines:
        raise DataError("no text to train a tokenizer on")

    def train(size: int) -> bytes:
        model = io.BytesIO()
        SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            vocab_size=size,
            model_type=model_type,
            hard_vocab_limit=model_type == "bpe",
            character_coverage=0.9995,
            num_threads=_TRAINING_THREADS,
            max_sentence_length=_LONGEST_TRAINING_LINE,
            minloglevel=3,
            pad_id=0,
            unk_id=1,
            bos_id=-1,
            eos_id=-1,
            pad_piece="[PAD]",
            unk_piece="[UNK]",
            control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        )
        return model.getvalue()

    try:
        model = train(vocab_size)
    except RuntimeError as error:
        text = " ".join(str(error).split())
        highest = re.search(r"value <= (\d+)", text)
        if highest is None:
            raise ConfigError(
                f"config.tokenizer.vocab_size: {vocab_size} pieces cannot be made from "
                f"{len(lines)} lines of text: {text}"
            ) from None
        model = train(int(highest[1]))
    tokenizer = SentencePiece(model, lower_case=lower_case)
    if tokenizer.vocab_size < vocab_size:
        logging.warning(
            "config.tokenizer.vocab_size: the text supports %d pieces, not %d",
            tokenizer.vocab_size,
            vocab_size,
        )
    return tokenizer


def _training_lines(texts: Iterable[str], lower_case: bool) -> Iterator[str]:
    """Yield lines that the trainer takes, long ones in parts."""
    step = _LONGEST_TRAINING_LINE // 4  # a character has at most four bytes
    for text in texts:
        for line in text.split("\n"):
            line = line.strip()
            if lower_case:
                line = line.lower()
            for start in range(0, len(line), step):
                yield line[start : start + step]
