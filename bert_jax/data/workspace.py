"""Work that several hosts do: pieces that leave their results in a folder that all of them see.

A piece is done as soon as its folder is there, and that appears whole or not at all. So it does
not matter how often a piece is tried, nor by how many at once: all tries have the same result, and
the first one stays.
"""

import contextlib
import errno
import json
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_jax.disk import refusal
from bert_jax.errors import BertJaxError, DataError, DiskError
from bert_jax.whole import write_json

_RESULT = "result.json"


@dataclass(frozen=True)
class Workspace:
    """A folder on a file system that all hosts share, which only `create` makes.

    A worker that outlives its run finds it gone, and ends; the next run's has another name.
    """

    root: Path  # absolute

    @classmethod
    def create(cls, directory: Path) -> "Workspace":
        """Make one in a folder."""
        root = directory.absolute() / f".work.{uuid.uuid4().hex}"
        root.mkdir()
        return cls(root)

    def find(self, name: str) -> Path:
        """Return where a folder or a file of it is to be read."""
        return self.root / name

    @contextlib.contextmanager
    def new(self, name: str) -> Iterator[Path]:
        """Yield a folder to fill, which is then there under its name; one that is there stays."""
        final = self.root / name
        final.parent.mkdir(exist_ok=True)
        folder = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
        folder.mkdir()
        try:
            yield folder
            try:
                folder.rename(final)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Work(ABC):
    """A piece of work: plain values that say all of it, since they travel to another host."""

    workspace: Workspace  # where what it needs is, and where its result goes

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of its folder there."""

    @abstractmethod
    def do(self, folder: Path) -> dict[str, Any]:
        """Write files into the folder and return values for JSON, both the same at every try."""


def carry_out(work: Work) -> None:
    """Do a piece of work, if nobody has yet; an error of ours is its result too.

    It would be the same at the next try. Other errors are raised: those of a network may pass.
    """
    if (work.workspace.find(work.name) / _RESULT).exists():
        return
    with work.workspace.new(work.name) as folder:
        try:
            result: dict[str, Any] = {"values": work.do(folder)}
        except BertJaxError as error:
            result = {"error": type(error).__name__, "message": str(error)}
        except OSError as error:
            reason = refusal(error)
            if reason is None:
                raise
            result = {
                "error": DiskError.__name__,
                "message": f"{error.filename or folder}: {reason}; nothing was kept",
            }
            for file in folder.iterdir():  # room for this
                file.unlink()
        write_json(folder / _RESULT, result)


def results(works: Sequence[Work]) -> Iterator[dict[str, Any]]:
    """Yield the values of each piece of work, in order.

    Raises:
        BertJaxError: the first that a piece ended with.
        DataError: a piece has left nothing here.
    """
    kinds = {kind.__name__: kind for kind in BertJaxError.__subclasses__()}
    for work in works:
        folder = work.workspace.find(work.name)
        try:
            result = json.loads((folder / _RESULT).read_bytes())
        except FileNotFoundError:
            raise DataError(
                f"{folder}: a worker has done its part, and nothing of it is here; put "
                "--config.output on a file system that all workers share with this process"
            ) from None
        if "error" in result:
            raise kinds[result["error"]](result["message"])
        yield result["values"]
