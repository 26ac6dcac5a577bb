"""The whole models: BERT, and BERT with the heads it is pretrained with."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from bert_jax.model.config import BertConfig, Execution
from bert_jax.model.encoder import Embeddings, Encoder
from bert_jax.model.heads import MaskedLanguageModelHead, NextSentenceHead, Pooler


class BertOutput(NamedTuple):
    """What the encoder gives: last hidden states, [CLS] pooled, and the states after each part."""

    hidden: Float[Array, "B T D"]
    pooled: Float[Array, "B D"]
    hidden_states: tuple[Float[Array, "B T D"], ...]


class PretrainingLogits(NamedTuple):
    """Scores before softmax: vocabulary at P positions a row, and next sentence (0: it is)."""

    masked_language_model: Float[Array, "B P V"]
    next_sentence: Float[Array, "B 2"]


class Bert(nn.Module):
    """Embeddings, encoder and pooler (Devlin et al. 2018, arXiv:1810.04805)."""

    config: BertConfig
    execution: Execution

    def setup(self) -> None:
        self.embeddings = Embeddings(self.config)
        self.encoder = Encoder(self.config, self.execution)
        self.pooler = Pooler(self.config, self.execution)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B T"],
        dropout_key: Key[Array, ""] | None = None,
    ) -> BertOutput:
        embedding_key, encoder_key = _split(dropout_key)
        embedded = self.embeddings(input_ids, token_type_ids, embedding_key)
        hidden, each = self.encoder(embedded, attention_mask, encoder_key)
        return BertOutput(hidden, self.pooler(hidden), (embedded, *each))


class BertForPretraining(nn.Module):
    """BERT with a masked-language-model head and a next-sentence head."""

    config: BertConfig
    execution: Execution

    def setup(self) -> None:
        self.bert = Bert(self.config, self.execution)
        self.masked_language_model = MaskedLanguageModelHead(self.config, self.execution)
        self.next_sentence = NextSentenceHead(self.config, self.execution)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B T"],
        positions: Int[Array, "B P"],
        dropout_key: Key[Array, ""] | None = None,
    ) -> PretrainingLogits:
        """Score the vocabulary at `positions` of each row, and whether B follows A."""
        output = self.bert(input_ids, token_type_ids, attention_mask, dropout_key)
        gathered = jnp.take_along_axis(output.hidden, positions[:, :, None], axis=1)  # [B, P, D]
        return PretrainingLogits(
            self.masked_language_model(gathered, self.bert.embeddings.token_table),
            self.next_sentence(output.pooled),
        )


def _split(key: Array | None) -> tuple[Array | None, Array | None]:
    if key is None:
        return None, None
    first, second = jax.random.split(key)
    return first, second
