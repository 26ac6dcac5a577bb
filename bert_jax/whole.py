"""Files and folders that are whole or not there: they take their names when all is written.

Until then they are called `.NAME.PLACE.PID.partial`. What a process that was killed left so is
removed when the same name is written again. PLACE tells where process numbers are those of PID: on
a file system that several machines or containers share, what others left stays, since from here
nobody can say whether they still write.
"""

import contextlib
import glob
import hashlib
import json
import os
import platform
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
    partial = _partial(path)
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
    partial = _partial(path)
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


def _partial(path: Path) -> Path:
    """Name what is being written, and remove what the dead left of the same."""
    common, ending = f".{path.name}.{_place()}.", ".partial"
    for left in path.parent.glob(f"{glob.escape(common)}*{ending}"):
        number = left.name[len(common) : -len(ending)]
        if number == str(os.getpid()) or (number.isdecimal() and not _lives(int(number))):
            _remove(left)
    return path.with_name(f"{common}{os.getpid()}{ending}")


def _place() -> str:
    """Name where a process number means one process: the host, and its space of such numbers."""
    try:
        space = os.stat("/proc/self/ns/pid").st_ino  # containers have their own
    except OSError:
        space = 0
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
