"""Documents from TensorFlow Datasets, read without TensorFlow."""

import contextlib
import importlib
import os
import re
from collections.abc import Iterator
from typing import Any
from unittest import mock

from bert_jax.data.documents import Document, Map
from bert_jax.data.lines import ReadReport, clean_text
from bert_jax.errors import ConfigError, DataError

_NAME = re.compile(r"(?P<builder>\w+)(?P<config>/[^:]+)?(?::(?P<split>[^:]+(?::[^\]]*\])?))?")


class TfdsDataset:
    """One split of a dataset: `NAME[/CONFIG][:SPLIT]`, the split 'train' unless given."""

    stored_bytes = 0
    # Not known without opening it; datasets are rarely small enough to matter.
    likely_text_bytes = 1 << 30

    def __init__(self, name: str, text_field: str):
        match = _NAME.fullmatch(name)
        if match is None:
            raise ConfigError(
                f"tfds:{name}: wants tfds:NAME[/CONFIG][:SPLIT], as in tfds:imdb_reviews:train"
            )
        self.identity: tuple[str, int] = (f"tfds:{name}", 0)
        self._name = match["builder"] + (match["config"] or "")
        self._split = match["split"] or "train"
        self._text_field = text_field

    def documents(self, report: ReadReport, apply: Map) -> Iterator[Document]:
        """Yield the text of each example."""
        examples = open_split(self._name, self._split)
        for i in range(len(examples)):
            place = f"tfds:{self._name}:{self._split}[{i}]"
            text = self._text_of(examples[i], place)
            report.text_bytes += len(text)
            yield Document(clean_text(text.decode(errors="replace"), place, report), place)

    def _text_of(self, example: Any, place: str) -> bytes:
        if not isinstance(example, dict) or self._text_field not in example:
            fields = ", ".join(example) if isinstance(example, dict) else type(example).__name__
            raise DataError(
                f"{place}: no field {self._text_field!r}; there are {fields}: "
                "set --config.text_field"
            )
        value = example[self._text_field]
        if isinstance(value, str):
            return value.encode()
        if not isinstance(value, bytes):
            raise DataError(f"{place}: field {self._text_field!r} is not text; set another one")
        return value


def open_split(name: str, split: str) -> Any:
    """Open a split of a dataset, `NAME[/CONFIG]`, as a sequence of dictionaries.

    Raises:
        DataError: it is not prepared here and cannot be fetched.
    """
    # Whatever logging the import does stays out of the way of the progress line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(
            f"tfds:{name}: {error}; pip install tensorflow-datasets importlib_resources"
        ) from None
    _register(name.split("/")[0])
    try:
        with _no_retries_offline():
            return tfds.data_source(
                name, split=split, builder_kwargs={"file_format": "array_record"}
            )
    except Exception as error:  # whatever it is, of many kinds, the user sees what it says
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise DataError(
            f"tfds:{name}: is not prepared here and cannot be downloaded "
            f"({type(error).__name__}: {reason}); check the name, the split "
            f"{split!r} and the network, or set TFDS_DATA_DIR to where it is prepared"
        ) from None


def _register(builder: str) -> None:
    """Import the module that defines a dataset; without it TFDS says that there is none."""
    from tensorflow_datasets.core import visibility  # noqa: F401  (fails early on other versions)

    for package in ("text", "datasets", "question_answering", "summarization", "translate"):
        for module in (
            f"tensorflow_datasets.{package}.{builder}",
            f"tensorflow_datasets.{package}.{builder}.{builder}_dataset_builder",
        ):
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
                return


@contextlib.contextmanager
def _no_retries_offline() -> Iterator[None]:
    """Give up at once where no host can be reached, not after ten attempts in three minutes."""
    from urllib3.exceptions import MaxRetryError, NewConnectionError
    from urllib3.util.retry import Retry

    original = Retry.increment

    def increment(
        self: Retry, method: Any = None, url: Any = None, response: Any = None, error: Any = None,
        _pool: Any = None, _stacktrace: Any = None,
    ) -> Retry:  # fmt: skip
        if isinstance(error, NewConnectionError):  # a name that does not resolve is one, too
            raise MaxRetryError(_pool, url, error)
        return original(self, method, url, response, error, _pool, _stacktrace)

    with mock.patch.object(Retry, "increment", increment):
        yield
