"""Where answers go: to a file that is whole or not there, or down a pipe as they come."""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bert_jax.errors import CheckpointError, ConfigError
from bert_jax.prediction.lines import STANDARD_STREAM
from bert_jax.whole import whole_file

_DIGITS = 6  # of numbers in answers, behind the point


@contextlib.contextmanager
def open_output(target: str) -> Iterator[BinaryIO]:
    """Open standard output for "-", or a file that takes its name when all is written.

    Raises:
        ConfigError: there cannot be such a file.
    """
    path = Path(target)
    if target == STANDARD_STREAM:
        with _until_the_reader_leaves():
            yield sys.stdout.buffer
        return
    with contextlib.ExitStack() as stack:
        try:
            if path.exists() and not path.is_file():  # a device or a pipe has to keep its place
                file = stack.enter_context(open(path, "wb"))
            else:
                file = stack.enter_context(whole_file(path))
        except OSError as error:
            raise ConfigError(f"--output={target}: cannot be written ({error.strerror})") from None
        yield file


def write_lines(out: BinaryIO, answers: Iterable[dict[str, Any]]) -> None:
    """Write a line of JSON for each answer, and hand them on at once.

    Raises:
        CheckpointError: a number is not finite.
    """
    for answer in answers:
        try:
            line = json.dumps(answer, ensure_ascii=False, allow_nan=False)
        except ValueError:
            start = json.dumps(answer, ensure_ascii=False)[:60]
            raise CheckpointError(
                f"the model gives numbers that are not finite, first for {start}...; "
                "its parameters are of no use"
            ) from None
        out.write(f"{line}\n".encode())
    out.flush()


def rounded(values: Any) -> Any:
    """Return a number, or lists of numbers, as short as they are worth reading."""
    return np.round(np.asarray(values, np.float64), _DIGITS).tolist()


@contextlib.contextmanager
def _until_the_reader_leaves() -> Iterator[None]:
    """End quietly when what reads our standard output does, as `head` may."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
