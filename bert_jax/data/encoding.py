"""Documents to ids: the work on one group of documents, the same in every process."""

import functools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bert_jax.data.documents import Document
from bert_jax.data.lines import ReadReport
from bert_jax.data.sentences import cut_long, detect_language, split_sentences
from bert_jax.data.splitting import Extents
from bert_jax.data.tokenizers import Tokenizer, load_tokenizer

_GROUP_CHARACTERS = 256_000


@dataclass(frozen=True)
class Group:
    """Documents that are encoded together, and how."""

    documents: list[Document]
    tokenizer: str  # its folder
    language: str
    max_sentence_characters: int


@dataclass(frozen=True)
class Encoded:
    """A group as arrays."""

    tokens: np.ndarray  # ids of all sentences, one after the other
    sentence_lengths: np.ndarray  # uint32 [sentences], above 0
    document_lengths: np.ndarray  # uint32 [documents], 0 for one without tokens
    line_hashes: np.ndarray  # uint64 [lines]
    characters: int
    sentences_cut: int

    @property
    def extents(self) -> Extents:
        """Where the documents that have tokens begin."""
        return Extents.of(self.document_lengths, self.sentence_lengths)


def group_documents(
    documents: Iterable[Document], tokenizer: str, language: str, max_sentence_characters: int
) -> Iterator[Group]:
    """Yield groups of documents that are worth a message to another process."""
    group: list[Document] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document.text)
        if size >= _GROUP_CHARACTERS:
            yield Group(group, tokenizer, language, max_sentence_characters)
            group, size = [], 0
    if group:
        yield Group(group, tokenizer, language, max_sentence_characters)


def encode_group(group: Group) -> Encoded:
    """Split a group's documents into sentences and these into ids."""
    tokenizer = _tokenizer(group.tokenizer)
    sentences: list[str] = []
    owners: list[int] = []
    hashes: list[int] = []
    characters = cut = 0
    most = group.max_sentence_characters
    for i, document in enumerate(group.documents):
        characters += len(document.text)
        language = group.language
        if language == "auto":
            language = detect_language(document.text)
        before = len(sentences)
        for line in document.text.split("\n"):
            line = line.strip()
            if not line:
                continue
            hashes.append(_hash(line))
            found = [line] if document.sentences_given else split_sentences(line, language)
            for sentence in found:
                if len(sentence) > most:
                    cut += 1
                    sentences += cut_long(sentence, most)
                else:
                    sentences.append(sentence)
        owners += [i] * (len(sentences) - before)
    tokens, lengths = tokenizer.encode_packed(sentences)
    kept = lengths > 0  # a sentence of control characters alone leaves nothing
    owner = np.asarray(owners, np.int64)[kept]
    return Encoded(
        tokens=tokens,
        sentence_lengths=lengths[kept].astype(np.uint32),
        document_lengths=np.bincount(owner, minlength=len(group.documents)).astype(np.uint32),
        line_hashes=np.asarray(hashes, np.uint64),
        characters=characters,
        sentences_cut=cut,
    )


def report_empty(encoded: Encoded, places: list[str], report: ReadReport) -> None:
    """Count the documents of a group that have no tokens; `places` are those of all."""
    for i in np.flatnonzero(encoded.document_lengths == 0):
        report.skip("no tokens", places[i], given_out=True)


def _hash(line: str) -> int:
    # Two checksums, since str's own hash differs in every process.
    data = line.encode()
    return zlib.crc32(data) | zlib.adler32(data) << 32


@functools.lru_cache(maxsize=1)
def _tokenizer(path: str) -> Tokenizer:
    return load_tokenizer(path)
