"""A prepared folder in the making: its manifest, and its final name in one move."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bert_jax.data.shards import FORMAT_VERSION, MANIFEST, TIMING, TOKENIZER
from bert_jax.disk import refusal, sync
from bert_jax.errors import DataError, DiskError, WorkdirInUse
from bert_jax.seals import file_sha256, seal
from bert_jax.whole import write_json


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
    known: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> None:
    """Write the manifest over all files that are in the folder by now; bring all of it to disk.

    Args:
        directory: the folder.
        tokenizer: its entry.
        source: what the corpus was made from.
        splits: their entries.
        known: entries of files that whoever wrote them has summed.
    """
    files = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_file() and name not in (MANIFEST, TIMING):
            files[name] = known.get(name) or file_entry(path)
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


def file_entry(path: Path) -> dict[str, Any]:
    """Bring a file to disk, and return what the manifest says of it."""
    sync(path)
    return {"sha256": file_sha256(path), "bytes": path.stat().st_size}


def source_digest(entries: list[tuple[str, int]]) -> str:
    """Return a short digest of input files: their names and sizes."""
    text = "\n".join(f"{name}\t{size}" for name, size in entries)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
