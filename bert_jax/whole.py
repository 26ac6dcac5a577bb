"""Files and folders that are whole or not there: they take their names when all is written."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bert_jax.disk import sync


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears, in the place of another too, once it is durable.

    Nothing is left on failure. Two processes that write it at once do not mix; one of them wins.

    Raises:
        OSError: the file system refuses.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    file = open(partial, "wb")
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a folder that takes its name once it is durable; nothing is left on failure.

    Raises:
        OSError: the file system refuses, or there is something in its place.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        yield partial
        for written in partial.rglob("*"):
            sync(written)
        if path.is_dir():
            path.rmdir()  # an empty one that the user made; anything else raises
        partial.rename(path)
        sync(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a file whole."""
    with whole_file(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole, for people and programs."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
