"""A published BERT, brought into this project's names and layouts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bert_jax.model.config import BertConfig


@dataclass(frozen=True)
class Published:
    """What was found in a checkpoint, whoever made it.

    Attributes:
        config: the architecture.
        kind: which model it is, a key of `bert_jax.model.KINDS`.
        labels: names of the classes of a classifier, in the order of its scores; else empty.
        arrays: float32, by our parameter paths ("bert/encoder/layer_0/attention/query/kernel"),
            kernels as [in, out].
        unused: names in the file that have no place here, with the reason in brackets.
        tokenizer: folder of its tokenizer, None where there is none.
        source: the file that the arrays came from, for messages.
    """

    config: BertConfig
    kind: str
    labels: tuple[str, ...]
    arrays: dict[str, np.ndarray]
    unused: tuple[str, ...]
    tokenizer: Path | None
    source: Path
