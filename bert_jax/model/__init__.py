"""BERT as Flax Linen modules; the only room that imports flax."""

from bert_jax.model.bert import Bert, BertForPretraining, BertOutput, PretrainingLogits
from bert_jax.model.config import SIZES, BertConfig, Execution

__all__ = [
    "SIZES",
    "Bert",
    "BertConfig",
    "BertForPretraining",
    "BertOutput",
    "Execution",
    "PretrainingLogits",
]
