"""What passes over the text give, on whichever hosts they run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bert_jax.data.corpus_statistics import Statistics
from bert_jax.data.lines import ReadReport
from bert_jax.data.tokenizers import Tokenizer


@dataclass(frozen=True)
class Encoding:
    """What is known once the shards are written."""

    splits: dict[str, Any]  # their entries in the manifest, by name
    statistics: Statistics
    unknown: int  # tokens that are [UNK]
    files: dict[str, dict[str, Any]]  # entries of files in the manifest that are known already


class Passes(Protocol):
    """The two passes: the bytes do not depend on who makes them."""

    def sample(self, most: int, report: ReadReport) -> list[str]:
        """Return about `most` characters of the text, evenly spread."""
        ...

    def encode(self, directory: Path, tokenizer: Tokenizer) -> Encoding:
        """Write the shards into the folder, which has the tokenizer already."""
        ...
