"""Prepared corpora at URLs: stored there when they are whole, fetched once, checked on arrival."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from bert_jax.data.preparation import PrepareConfig, check_same, describe, prepare
from bert_jax.data.remote import filesystem, reaching, upload
from bert_jax.data.shards import MANIFEST, TIMING, inside, open_corpus
from bert_jax.disk import naming
from bert_jax.errors import DataError
from bert_jax.seals import seal_of
from bert_jax.whole import whole_folder


def prepare_to(config: PrepareConfig, url: str, *, workers: int = 0, progress: bool = True) -> None:
    """Prepare a corpus in a temporary folder, and store it at a URL, its manifest last.

    Nothing else that is there is touched; what was begun and left there is written over.

    Raises:
        ConfigError: another corpus is there.
        DataError: as `prepare`, and where the URL cannot be written to.
    """
    url = url.rstrip("/")
    there = _read_manifest(url)
    if there is not None:
        check_same(_parse(there, url).get("source", {}), describe(config), url)
        if progress:
            print(f"{url}: already prepared")
        return
    with tempfile.TemporaryDirectory(prefix="bert_jax_") as scratch:
        corpus = prepare(config, Path(scratch) / Path(url).name, workers=workers, progress=progress)
        upload(corpus.directory, url, last=MANIFEST)
    if progress:
        print(f"{url}: stored")


def fetch_corpus(url: str) -> Path | None:
    """Return a copy of a prepared corpus in the user's cache; None where the URL holds none.

    A copy is found again by the sha256 of the manifest, so one that was made anew is fetched anew.

    Raises:
        DataError: it cannot be read, or arrives other than its manifest says.
        DiskError: the cache cannot take it.
    """
    url = url.rstrip("/")
    raw = _read_manifest(url)
    if raw is None:
        return None
    folder = _cache() / hashlib.sha256(raw).hexdigest()
    if folder.is_dir():
        return folder
    files = _parse(raw, url).get("files")
    if not isinstance(files, dict):
        raise DataError(f"{url}/{MANIFEST}: damaged (names no files); prepare the corpus again")
    with naming(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with whole_folder(folder) as partial:
                (partial / MANIFEST).write_bytes(raw)
                _fetch(url, files, partial)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    return folder


def _fetch(url: str, files: dict[str, Any], folder: Path) -> None:
    """Copy what a manifest names, and the manifest's seal, into a folder; check all of it."""
    system, root = filesystem(url)
    try:
        for name, entry in files.items():
            path = inside(folder, name)  # before anything is written there
            path.parent.mkdir(parents=True, exist_ok=True)
            with reaching(f"{url}/{name}"):
                told, wanted = system.info(f"{root}/{name}").get("size"), entry["bytes"]
                if told != wanted:
                    raise DataError(f"{path}: {told} bytes, wants {wanted}: damaged")
                system.get_file(f"{root}/{name}", str(path))
        for name in (seal_of(Path(MANIFEST)).name, TIMING):
            with reaching(f"{url}/{name}"):
                if system.exists(f"{root}/{name}"):
                    system.get_file(f"{root}/{name}", str(folder / name))
        open_corpus(folder)
    except DataError as error:
        raise DataError(str(error).replace(str(folder), url)) from None


def _read_manifest(url: str) -> bytes | None:
    system, root = filesystem(url)
    with reaching(url):
        path = f"{root}/{MANIFEST}"
        return system.cat_file(path) if system.isfile(path) else None


def _parse(raw: bytes, url: str) -> dict[str, Any]:
    try:
        manifest = json.loads(raw)
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict):
        raise DataError(f"{url}/{MANIFEST}: not a JSON object; prepare the corpus again")
    return manifest


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "bert_jax" / "corpora"
