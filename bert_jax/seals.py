"""A file's sha256 in a file beside it, so that what vouches for others can itself be checked."""

import hashlib
from pathlib import Path

from bert_jax.whole import write_text

_ENDING = ".sha256"


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal_of(path: Path) -> Path:
    """Name the file with the sum of another."""
    return path.with_name(path.name + _ENDING)


def seal(path: Path) -> None:
    """Write a file's sum beside it, as `sha256sum --check` reads it."""
    write_text(seal_of(path), _line(path))


def is_intact(path: Path) -> bool:
    """Say whether a file is, to the bit, what it was when it was sealed.

    Raises:
        OSError: the file itself cannot be read.
    """
    try:
        said = seal_of(path).read_bytes()
    except OSError:
        return False
    return said == _line(path).encode()


def _line(path: Path) -> str:
    return f"{file_sha256(path)}  {path.name}\n"
