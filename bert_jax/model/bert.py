"""BERT: embeddings, encoder and pooler."""

from typing import NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float, Int, Key

from bert_jax.model.config import BertConfig, Execution
from bert_jax.model.dropout import split
from bert_jax.model.encoder import Embeddings, Encoder
from bert_jax.model.heads import Pooler
from bert_jax.model.packing import Packing


class BertOutput(NamedTuple):
    """What the encoder gives: last hidden states, [CLS] pooled, and the states after each part."""

    hidden: Float[Array, "B T D"]
    pooled: Float[Array, "R D"]  # a vector a sequence
    hidden_states: tuple[Float[Array, "B T D"], ...]


class Bert(nn.Module):
    """Embeddings, encoder and pooler (Devlin et al. 2018, arXiv:1810.04805)."""

    config: BertConfig
    execution: Execution

    def setup(self) -> None:
        self.embeddings = Embeddings(self.config, self.execution)
        self.encoder = Encoder(self.config, self.execution)
        self.pooler = Pooler(self.config, self.execution)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B T"],
        dropout_key: Key[Array, ""] | None = None,
        packing: Packing | None = None,
    ) -> BertOutput:
        hidden_states = self.encode(input_ids, token_type_ids, attention_mask, dropout_key, packing)
        hidden = hidden_states[-1]
        starts = None if packing is None else packing.starts
        return BertOutput(hidden, self.pooler(hidden, starts), hidden_states)

    def encode(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B T"],
        dropout_key: Key[Array, ""] | None = None,
        packing: Packing | None = None,
    ) -> tuple[Float[Array, "B T D"], ...]:
        """Give the hidden states after each part, the last ones last; no pooler is made."""
        embedding_key, encoder_key = split(dropout_key)
        segments, positions, _ = packing or (None, None, None)
        embedded = self.embeddings(input_ids, token_type_ids, embedding_key, positions)
        hidden, each = self.encoder(embedded, attention_mask, encoder_key, segments)
        return (embedded, *(each or (hidden,)))
