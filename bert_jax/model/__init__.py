"""BERT as Flax Linen modules; the only room that imports flax."""

from flax.linen import Module

from bert_jax.model.bert import Bert, BertOutput
from bert_jax.model.config import SIZES, BertConfig, Execution
from bert_jax.model.fused_attention import kernel_of
from bert_jax.model.heads import Unscored
from bert_jax.model.packing import Packing
from bert_jax.model.placement import ACTIVATION_DIMENSIONS
from bert_jax.model.with_heads import (
    KINDS,
    BertForPretraining,
    PretrainingLogits,
    TagScores,
    initialize,
    make_model,
)

__all__ = [
    "ACTIVATION_DIMENSIONS",
    "KINDS",
    "SIZES",
    "Bert",
    "BertConfig",
    "BertForPretraining",
    "BertOutput",
    "Execution",
    "Module",
    "Packing",
    "PretrainingLogits",
    "TagScores",
    "Unscored",
    "initialize",
    "kernel_of",
    "make_model",
]
