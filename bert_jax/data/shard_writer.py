"""Write token shards, and put a prepared folder under its final name in one move."""

import errno
import fcntl
import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.data.shards import FORMAT_VERSION, MANIFEST, TIMING, TOKENIZER
from bert_jax.disk import refusal, sync
from bert_jax.errors import DataError, DiskError, WorkdirInUse
from bert_jax.seals import file_sha256, seal
from bert_jax.whole import write_json


class ShardWriter:
    """Collect the documents of one split and write them as shards.

    A shard closes when the next document begins past `shard_tokens`, never with fewer than two
    documents; a last one with a single document joins the one before. So every shard offers
    another document to draw a random sentence from, where the corpus has one.
    """

    def __init__(self, directory: Path, split: str, *, shard_tokens: int, id_type: np.dtype):
        self._directory = directory
        self._split = split
        self._shard_tokens = shard_tokens
        self._id_type = id_type
        self._shards: list[dict[str, Any]] = []
        self._full: _Buffer | None = None  # complete; written once its successor is, too
        self._open = _Buffer()
        self._histogram = np.zeros(0, np.int64)

    def add(
        self, tokens: np.ndarray, sentence_lengths: np.ndarray, document_lengths: np.ndarray
    ) -> None:
        """Add documents.

        Args:
            tokens: ids of all sentences, one after the other.
            sentence_lengths: tokens in each sentence, above 0.
            document_lengths: sentences in each document, above 0.
        """
        counts = np.bincount(tokens, minlength=len(self._histogram)).astype(np.int64)
        counts[: len(self._histogram)] += self._histogram
        self._histogram = counts
        sentence_offsets = _offsets([document_lengths])
        token_offsets = _offsets([sentence_lengths])
        document_starts = token_offsets[sentence_offsets]  # in tokens; the end as the last
        document = 0
        while document < len(document_lengths):
            if self._open.tokens >= self._shard_tokens and self._open.documents >= 2:
                self._close_shard()
            # The documents that begin before the shard is full, and two in any case.
            limit = document_starts[document] + self._shard_tokens - self._open.tokens
            room = int(np.searchsorted(document_starts, limit)) - document
            last = document + max(room, 2 - self._open.documents, 1)
            last = min(last, len(document_lengths))
            first_sentence, last_sentence = sentence_offsets[document], sentence_offsets[last]
            self._open.add(
                tokens[document_starts[document] : document_starts[last]],
                sentence_lengths[first_sentence:last_sentence],
                document_lengths[document:last],
            )
            document = last

    def _close_shard(self) -> None:
        if self._full is not None:
            self._write(self._full)
        self._full, self._open = self._open, _Buffer()

    def finish(self) -> dict[str, Any]:
        """Write what is left and return the split's entry in the manifest."""
        if self._full is not None and self._open.documents < 2:
            self._full.join(self._open)
            self._open = _Buffer()
        for buffer in (self._full, self._open):
            if buffer is not None and buffer.documents:
                self._write(buffer)
        totals = {
            what: sum(shard[what] for shard in self._shards)
            for what in ("documents", "sentences", "tokens")
        }
        shares = self._histogram / max(1, totals["tokens"])
        used = shares[shares > 0]
        frequent = int(np.argmax(self._histogram)) if len(self._histogram) else 0
        return {
            **totals,
            "unigram_entropy": float(-(used * np.log(used)).sum()),
            "most_frequent_token": frequent,
            "most_frequent_token_share": float(shares[frequent]) if len(used) else 0.0,
            "shards": self._shards,
        }

    def _write(self, buffer: "_Buffer") -> None:
        name = f"{self._split}-{len(self._shards):05d}"
        arrays = {
            "tokens": np.concatenate(buffer.token_parts).astype(self._id_type, copy=False),
            "sentences": _offsets(buffer.sentence_parts).astype(np.uint32),
            "documents": _offsets(buffer.document_parts).astype(np.uint32),
        }
        for what, array in arrays.items():
            # Not np.save to the file itself: on a full disk that raises an error without errno.
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            (self._directory / f"{name}.{what}.npy").write_bytes(content.getbuffer())
        self._shards.append(
            {
                "name": name,
                "documents": len(arrays["documents"]) - 1,
                "sentences": len(arrays["sentences"]) - 1,
                "tokens": len(arrays["tokens"]),
            }
        )


class _Buffer:
    """Documents that will be one shard."""

    def __init__(self):
        self.token_parts: list[np.ndarray] = []
        self.sentence_parts: list[np.ndarray] = []
        self.document_parts: list[np.ndarray] = []
        self.tokens = 0
        self.documents = 0

    def add(self, tokens: np.ndarray, sentences: np.ndarray, documents: np.ndarray) -> None:
        self.token_parts.append(tokens)
        self.sentence_parts.append(sentences)
        self.document_parts.append(documents)
        self.tokens += len(tokens)
        self.documents += len(documents)

    def join(self, other: "_Buffer") -> None:
        parts = zip(other.token_parts, other.sentence_parts, other.document_parts, strict=True)
        for tokens, sentences, documents in parts:
            self.add(tokens, sentences, documents)


def _offsets(lengths: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.concatenate(lengths), dtype=np.int64)])


@contextmanager
def staged(output: Path) -> Iterator[Path]:
    """Yield a folder beside `output` that takes its name at the end; nothing is left on failure.

    What a killed run left there is removed first.

    Raises:
        WorkdirInUse: another process is preparing the same folder.
        DiskError: the file system refuses.
    """
    partial = output.with_name(f".{output.name}.partial")
    lock_path = output.with_name(f".{output.name}.lock")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_path.open("w")
    except OSError as error:
        raise _explain(error, output) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock.fileno()).st_ino != lock_path.stat().st_ino:
                raise FileNotFoundError  # its owner has just removed it
        except (BlockingIOError, FileNotFoundError):
            raise WorkdirInUse(
                f"{output}: another process is preparing it; wait or choose another --config.output"
            ) from None
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            yield partial
            if output.is_dir():
                output.rmdir()  # an empty folder that the user made; anything else raises
            partial.rename(output)
            sync(output.parent)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise DataError(f"{output}: files appeared there meanwhile; nothing kept") from None
            if refusal(error) or isinstance(error, PermissionError):
                raise _explain(error, output) from None
            raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            lock_path.unlink(missing_ok=True)
    finally:
        lock.close()


def _explain(error: OSError, output: Path) -> DiskError:
    return DiskError(f"{error.filename or output}: {error.strerror}; nothing was kept")


def write_manifest(
    directory: Path,
    *,
    tokenizer: dict[str, Any],
    source: dict[str, Any],
    splits: dict[str, Any],
) -> None:
    """Write the manifest over all files that are in the folder by now; bring all of it to disk."""
    files = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_file() and name not in (MANIFEST, TIMING):
            sync(path)
            files[name] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
    manifest = {
        "format_version": FORMAT_VERSION,
        "sealed": True,
        "tokenizer": tokenizer,
        "source": source,
        "splits": splits,
        "files": files,
    }
    write_json(directory / MANIFEST, manifest)
    seal(directory / MANIFEST)
    for folder in (directory / TOKENIZER, directory):
        sync(folder)


def source_digest(entries: list[tuple[str, int]]) -> str:
    """Return a short digest of input files: their names and sizes."""
    text = "\n".join(f"{name}\t{size}" for name, size in entries)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
