"""BERT in JAX: pretraining from raw text, fine-tuning, and published weights in and out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bert_jax.data.tokenizers import Tokenizer
    from bert_jax.model import BertConfig, Module


@dataclass(frozen=True)
class Loaded:
    """A trained model: apply it with `module.apply({"params": params}, ...)`.

    Attributes:
        config: the architecture.
        kind: "encoder", "pretraining", "sequence_classification", "token_classification" or
            "question_answering".
        labels: names of a classifier's classes.
        module: the Flax module of that kind.
        params: its parameters; those of BERT itself are `params["bert"]`.
        tokenizer: text to ids.
        newly_initialized: paths of parameters that the checkpoint did not have: their outputs
            mean nothing yet.
    """

    config: "BertConfig"
    kind: str
    labels: tuple[str, ...]
    module: "Module"
    params: Any
    tokenizer: "Tokenizer"
    newly_initialized: tuple[str, ...]


def load(directory: str | Path) -> Loaded:
    """Load a model: a run's folder, a Hugging Face folder or a TF1 checkpoint.

    Raises:
        CheckpointError: there is no good checkpoint, or no tokenizer that belongs to it.
    """
    from bert_jax.runs import models

    return models.load(Path(directory))
