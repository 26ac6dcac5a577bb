"""Files at URLs: `gs://`, `s3://` and whatever else fsspec has a file system for.

fsspec comes with Orbax, through etils; etils' own paths know four schemes, and none for tests.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from bert_jax.errors import DataError

_URL = re.compile(r"[a-z][a-z0-9+.-]*://")
_GLOB = re.compile(r"[*?\[]")
_PACKAGES = {"gs": "gcsfs", "s3": "s3fs", "az": "adlfs", "abfs": "adlfs"}


def is_remote(name: str) -> bool:
    """Say whether this is a URL, and not the name of something on a file system."""
    return bool(_URL.match(name))


@dataclass(frozen=True)
class RemoteFile:
    """A file at a URL: as much of a `Path` as reading text needs."""

    url: str
    size: int  # bytes

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self.url).name

    @property
    def suffix(self) -> str:
        """The ending, with its dot."""
        return PurePosixPath(self.url).suffix

    def is_absolute(self) -> bool:
        """Say that it is the same file for everyone."""
        return True

    def absolute(self) -> "RemoteFile":
        """Return the same."""
        return self

    def stat(self) -> os.stat_result:
        """Return its size, and nothing else."""
        return os.stat_result((0, 0, 0, 0, 0, 0, self.size, 0, 0, 0))

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open it for reading; whatever goes wrong is an OSError that says what."""
        assert mode == "rb"
        system, path = filesystem(self.url)
        with _as_os_error():
            return io.BufferedReader(_Stream(system.open(path, "rb")))


class _Stream(io.RawIOBase):
    """Reads a file of fsspec; libraries of clouds have errors of many kinds."""

    def __init__(self, file: Any):
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _as_os_error():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _as_os_error():
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def filesystem(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the name that the URL has there.

    Raises:
        DataError: there is none, or it needs a package that is not installed.
    """
    from fsspec.core import url_to_fs

    scheme = url.partition("://")[0]
    try:
        return url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(scheme)
        what = f"pip install {package}" if package else f"{error}"
        raise DataError(
            f"{url}: {scheme}:// needs a package that is not installed; {what}"
        ) from None
    except Exception as error:  # no such scheme, no credentials, no network
        raise DataError(f"{url}: cannot be reached ({_reason(error)})") from None


@contextlib.contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn whatever a file system raises into one line that names the URL.

    Raises:
        DataError: something was raised inside.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{url}: cannot be reached ({_reason(error)})") from None


def find_remote(pattern: str) -> list[RemoteFile]:
    """Return the files that a URL stands for: a glob, a file's or a folder's; sorted.

    Raises:
        DataError: there is none.
    """
    system, path = filesystem(pattern)
    with reaching(pattern):
        if _GLOB.search(path):
            found, hidden_below = system.glob(path, detail=True), ""
        elif system.isfile(path):
            found, hidden_below = {path: system.info(path)}, ""
        else:
            found, hidden_below = system.find(path, detail=True), path
        files = []
        for name, entry in found.items():
            inside = PurePosixPath(name.removeprefix(hidden_below)).parts if hidden_below else ()
            if entry["type"] == "file" and not any(part.startswith(".") for part in inside):
                files.append(RemoteFile(system.unstrip_protocol(name), _size(name, entry)))
    if not files:
        raise DataError(f"{pattern}: no file there; --config.input wants files, folders or globs")
    return sorted(files, key=lambda file: PurePosixPath(file.url))


def _size(name: str, entry: dict[str, Any]) -> int:
    size = entry.get("size")
    if size is None:
        raise DataError(f"{name}: its size is not told; copy it to a file system")
    return int(size)


def upload(folder: Path, url: str, last: str) -> None:
    """Copy a folder's files to a URL; the one called `last` arrives when all others have.

    Raises:
        DataError: it cannot be written.
    """
    system, root = filesystem(url)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with reaching(url):
        for path in sorted(files, key=lambda path: path == folder / last):
            name = path.relative_to(folder).as_posix()
            system.put_file(str(path), f"{root.rstrip('/')}/{name}")


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(_reason(error)) from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
