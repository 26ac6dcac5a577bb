"""BERT in JAX: pretraining from raw text."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bert_jax.data.tokenizers import Tokenizer
    from bert_jax.model import BertConfig, BertForPretraining


@dataclass(frozen=True)
class Loaded:
    """A trained model: apply it with `module.apply({"params": params}, ...)`."""

    config: "BertConfig"
    module: "BertForPretraining"
    params: Any
    tokenizer: "Tokenizer"


def load(directory: str | Path) -> Loaded:
    """Load the newest checkpoint of a run.

    Args:
        directory: the run's workdir.

    Raises:
        CheckpointError: there is no good checkpoint.
        DataError: there is no tokenizer.
    """
    from bert_jax.runs.loading import load_run

    return load_run(Path(directory))
