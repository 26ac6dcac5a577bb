"""The prepared corpus on disk: token shards, a manifest that vouches for them, and its checks."""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bert_jax.errors import DataError
from bert_jax.seals import file_sha256, is_intact, seal_of

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
STATISTICS = "statistics.json"
TIMING = "timing.json"  # not in the manifest: the rest is the same bytes on every machine
TOKENIZER = "tokenizer"
ARRAYS = ("tokens", "sentences", "documents")
# What looking into a manifest can raise that is not what it should be, in names of files too.
_OF_DAMAGE = (AttributeError, TypeError, ValueError, OverflowError, OSError, RuntimeError)


class Shard:
    """One part of a split, mapped into memory when it is first used."""

    def __init__(self, directory: Path, name: str, lengths: dict[str, int]):
        """Name a shard; `lengths` are the elements of each of its arrays."""
        self.name = name
        self._directory = directory
        self._lengths = lengths

    @functools.cached_property
    def tokens(self) -> np.ndarray:
        """Ids of all sentences, one after the other: uint16 or uint32 [tokens]."""
        return self._map("tokens")

    @functools.cached_property
    def sentence_offsets(self) -> np.ndarray:
        """Where each sentence begins in `tokens`, and the end: uint32 [sentences + 1]."""
        return self._map("sentences")

    @functools.cached_property
    def document_offsets(self) -> np.ndarray:
        """Where each document begins among the sentences, and the end: uint32 [documents + 1]."""
        return self._map("documents")

    def _map(self, what: str) -> np.ndarray:
        path = self._directory / f"{self.name}.{what}.npy"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, OverflowError, EOFError) as error:
            raise DataError(f"{path}: cannot be read ({error}); prepare the corpus again") from None
        length = self._lengths[what]
        if array.dtype.kind != "u" or array.shape != (length,):
            raise DataError(
                f"{path}: holds {array.dtype}{list(array.shape)}, the manifest says {length} "
                "unsigned numbers; prepare the corpus again"
            )
        return array


@dataclass(frozen=True)
class Split:
    """A part of the corpus that is used for one purpose, with its counts."""

    name: str
    documents: int
    sentences: int
    tokens: int
    unigram_entropy: float  # nats, of the split's own token distribution
    most_frequent_token: int
    most_frequent_token_share: float
    shards: tuple[Shard, ...]

    def token_counts(self, vocab_size: int) -> np.ndarray:
        """Count how often each token stands in the text: int64 [vocab_size]."""
        counts = np.zeros(vocab_size, np.int64)
        for shard in self.shards:
            counts += np.bincount(shard.tokens, minlength=vocab_size)
        return counts


@dataclass(frozen=True)
class Corpus:
    """A prepared folder."""

    directory: Path
    manifest: dict[str, Any]
    tokenizer_fingerprint: str
    fingerprint: str  # sha256 of the manifest
    splits: dict[str, Split]
    statistics: dict[str, Any]

    @property
    def tokenizer_path(self) -> Path:
        """The folder of the tokenizer that the shards were made with."""
        return self.directory / TOKENIZER


def open_corpus(directory: str | Path, verify: bool = True) -> Corpus:
    """Open a prepared folder.

    Args:
        directory: what `prepare` wrote.
        verify: compare the sha256 of every file (1.3 GB a second), not just the sizes.

    Raises:
        DataError: not a prepared folder, or one that is damaged, changed or not understood.
    """
    directory = Path(directory)
    path = directory / MANIFEST
    if not path.is_file():
        raise DataError(
            f"{directory}: not a prepared folder (no {MANIFEST}); make one with bert_jax.prepare"
        )
    raw, manifest = _read_json(path)
    if manifest.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"{path}: format_version is {manifest.get('format_version')!r}, this version of "
            f"bert_jax reads {FORMAT_VERSION}; prepare the corpus again"
        )
    try:
        for name, entry in manifest["files"].items():
            _check_file(directory, name, entry, verify)
        fingerprint = manifest["tokenizer"]["fingerprint"]
        splits = {
            name: _make_split(directory, name, entry) for name, entry in manifest["splits"].items()
        }
        for split in splits.values():
            for shard in split.shards:
                for what in ARRAYS:
                    if f"{shard.name}.{what}.npy" not in manifest["files"]:
                        raise DataError(f"{path}: shard {shard.name} has no {what} among its files")
    except (*_OF_DAMAGE, LookupError) as error:
        raise DataError(f"{path}: damaged ({error!r}); prepare the corpus again") from None
    from bert_jax.data.tokenizers import load_tokenizer

    if load_tokenizer(directory / TOKENIZER).fingerprint != fingerprint:
        raise DataError(
            f"{directory}: prepared with another tokenizer than the one in its folder "
            f"{TOKENIZER}/; put the right one back or prepare the corpus again"
        )
    # Last, so that what is wrong is named where it can be. The first corpora had no seal.
    if ("sealed" in manifest or seal_of(path).exists()) and not is_intact(path):
        raise DataError(f"{path}: its sha256 differs: damaged; prepare the corpus again")
    _, statistics = _read_json(directory / STATISTICS)
    if (directory / TIMING).is_file():
        statistics["timing"] = _read_json(directory / TIMING)[1]
    return Corpus(
        directory=directory,
        manifest=manifest,
        tokenizer_fingerprint=fingerprint,
        fingerprint=hashlib.sha256(raw).hexdigest(),
        splits=splits,
        statistics=statistics,
    )


def _read_json(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        raw = path.read_bytes()
        value = json.loads(raw)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: unreadable ({error}); prepare the corpus again") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: not a JSON object; prepare the corpus again")
    return raw, value


def inside(directory: Path, name: str) -> Path:
    """Return where a file that a manifest names is.

    Raises:
        DataError: not in the folder.
    """
    relative = PurePosixPath(name)
    path = directory / relative
    stays = path.resolve().is_relative_to(directory.resolve())
    if relative.is_absolute() or ".." in relative.parts or not stays:
        raise DataError(f"{directory / MANIFEST}: names {name!r}, which leaves the folder")
    return path


def _check_file(directory: Path, name: str, entry: dict[str, Any], verify: bool) -> None:
    path = inside(directory, name)
    if not path.is_file():
        raise DataError(f"{path}: missing; prepare the corpus again")
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise DataError(
            f"{path}: {size} bytes, wants {entry['bytes']}: damaged; prepare the corpus again"
        )
    if verify and file_sha256(path) != entry["sha256"]:
        raise DataError(f"{path}: its sha256 differs: damaged; prepare the corpus again")


def _make_split(directory: Path, name: str, entry: dict[str, Any]) -> Split:
    return Split(
        name=name,
        documents=int(entry["documents"]),
        sentences=int(entry["sentences"]),
        tokens=int(entry["tokens"]),
        unigram_entropy=float(entry["unigram_entropy"]),
        most_frequent_token=int(entry["most_frequent_token"]),
        most_frequent_token_share=float(entry["most_frequent_token_share"]),
        shards=tuple(_make_shard(directory, shard) for shard in entry["shards"]),
    )


def _make_shard(directory: Path, entry: dict[str, Any]) -> Shard:
    lengths = {
        "tokens": int(entry["tokens"]),
        "sentences": int(entry["sentences"]) + 1,  # offsets: where each begins, and the end
        "documents": int(entry["documents"]) + 1,
    }
    return Shard(directory, entry["name"], lengths)
