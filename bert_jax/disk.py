"""What a file system refuses, and bringing to disk what it has taken."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from bert_jax.errors import DiskError

_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


def refusal(error: BaseException | None) -> str | None:
    """Return what the file system said no with, None where it was something else that failed.

    Libraries wrap the system's error, or keep its words alone: the causes are looked through too.
    """
    while error is not None:
        for number in _REFUSALS:
            if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
                return os.strerror(number)
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in the error, and what to do, when the disk is full inside.

    Raises:
        DiskError: the file system refuses.
    """
    try:
        yield
    except OSError as error:
        reason = refusal(error)
        if reason is None:
            raise
        raise DiskError(f"{path}: {reason}; make room, then give the same command") from error


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
