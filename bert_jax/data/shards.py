"""The prepared corpus on disk: token shards, a manifest that vouches for them, and its checks."""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bert_jax.errors import DataError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
STATISTICS = "statistics.json"
TIMING = "timing.json"  # not in the manifest: the rest is the same bytes on every machine
TOKENIZER = "tokenizer"
ARRAYS = ("tokens", "sentences", "documents")


class Shard:
    """One part of a split, mapped into memory when it is first used."""

    def __init__(self, directory: Path, name: str):
        self.name = name
        self._directory = directory

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
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({error}); prepare the corpus again") from None


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
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: damaged ({error!r}); prepare the corpus again") from None
    from bert_jax.data.tokenizers import load_tokenizer

    if load_tokenizer(directory / TOKENIZER).fingerprint != fingerprint:
        raise DataError(
            f"{directory}: prepared with another tokenizer than the one in its folder "
            f"{TOKENIZER}/; put the right one back or prepare the corpus again"
        )
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


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        raw = path.read_bytes()
        value = json.loads(raw)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: unreadable ({error}); prepare the corpus again") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: not a JSON object; prepare the corpus again")
    return raw, value


def _check_file(directory: Path, name: str, entry: dict[str, Any], verify: bool) -> None:
    relative = PurePosixPath(name)
    path = directory / relative
    inside = path.resolve().is_relative_to(directory.resolve())
    if relative.is_absolute() or ".." in relative.parts or not inside:
        raise DataError(f"{directory / MANIFEST}: names {name!r}, which leaves the folder")
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
        documents=entry["documents"],
        sentences=entry["sentences"],
        tokens=entry["tokens"],
        unigram_entropy=entry["unigram_entropy"],
        most_frequent_token=entry["most_frequent_token"],
        most_frequent_token_share=entry["most_frequent_token_share"],
        shards=tuple(Shard(directory, shard["name"]) for shard in entry["shards"]),
    )
