"""BERT with a head: what a checkpoint can hold."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from bert_jax.model.bert import Bert, BertOutput
from bert_jax.model.config import BertConfig, Execution
from bert_jax.model.crf import Chain, TagChain
from bert_jax.model.dropout import dropout, split
from bert_jax.model.heads import MaskedLanguageModelHead, NextSentenceHead, Unscored
from bert_jax.model.layers import Dense
from bert_jax.model.packing import Packing


class PretrainingLogits(NamedTuple):
    """Scores before softmax: vocabulary at P positions a row, and next sentence (0: it is)."""

    masked_language_model: Float[Array, "B P V"]
    next_sentence: Float[Array, "R 2"]  # a row a sequence


class TagScores(NamedTuple):
    """Scores of the tags of each token, and of the chain that they form over words."""

    emissions: Float[Array, "B T C"]
    chain: Chain


class BertEncoder(nn.Module):
    """BERT without a head."""

    config: BertConfig
    execution: Execution

    def setup(self) -> None:
        self.bert = Bert(self.config, self.execution)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B T"],
        dropout_key: Key[Array, ""] | None = None,
    ) -> BertOutput:
        return self.bert(input_ids, token_type_ids, attention_mask, dropout_key)


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
        packing: Packing | None = None,
    ) -> PretrainingLogits:
        """Score the vocabulary at `positions` of each row, and whether B follows A.

        With `packing`, rows hold several sequences; next sentences are scored for each place in
        `packing.starts`, one row's after the other's.
        """
        unscored, next_sentence = self.before_scores(
            input_ids, token_type_ids, attention_mask, positions, dropout_key, packing
        )
        return PretrainingLogits(unscored.scores(), next_sentence)

    def before_scores(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B T"],
        positions: Int[Array, "B P"],
        dropout_key: Key[Array, ""] | None = None,
        packing: Packing | None = None,
    ) -> tuple[Unscored, Float[Array, "R 2"]]:
        """Do all but score the vocabulary, for a loss that need not keep all scores."""
        output = self.bert(input_ids, token_type_ids, attention_mask, dropout_key, packing)
        gathered = jnp.take_along_axis(output.hidden, positions[:, :, None], axis=1)  # [B, P, D]
        gathered = self.execution.constrain(gathered, "batch", "sequence", None)
        unscored = self.masked_language_model(gathered, self.bert.embeddings.token_table)
        return unscored, self.next_sentence(output.pooled)


class BertForSequenceClassification(nn.Module):
    """BERT with a classifier of the whole input, on the pooled vector."""

    config: BertConfig
    execution: Execution
    num_labels: int

    def setup(self) -> None:
        self.bert = Bert(self.config, self.execution)
        self.classifier = Dense(self.config, self.execution.of_scores, self.num_labels)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B T"],
        dropout_key: Key[Array, ""] | None = None,
    ) -> Float[Array, "B C"]:
        """Score the classes of each row."""
        bert_key, key = split(dropout_key)
        pooled = self.bert(input_ids, token_type_ids, attention_mask, bert_key).pooled
        return self.classifier(dropout(pooled, self.config.hidden_dropout_prob, key)).sum()


class BertForTokenClassification(nn.Module):
    """BERT with a classifier of each token."""

    config: BertConfig
    execution: Execution
    num_labels: int

    def setup(self) -> None:
        self.bert = Bert(self.config, self.execution)
        self.classifier = Dense(self.config, self.execution.of_scores, self.num_labels)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B T"],
        dropout_key: Key[Array, ""] | None = None,
    ) -> Float[Array, "B T C"]:
        """Score the classes of each token."""
        bert_key, key = split(dropout_key)
        hidden = self.bert.encode(input_ids, token_type_ids, attention_mask, bert_key)[-1]
        return self.classifier(dropout(hidden, self.config.hidden_dropout_prob, key)).sum()


class BertForQuestionAnswering(nn.Module):
    """BERT with scores for where an answer begins and ends."""

    config: BertConfig
    execution: Execution

    def setup(self) -> None:
        self.bert = Bert(self.config, self.execution)
        self.span = Dense(self.config, self.execution.of_scores, 2)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B T"],
        dropout_key: Key[Array, ""] | None = None,
    ) -> Float[Array, "B T 2"]:
        """Score each token as the first and as the last of the answer."""
        hidden = self.bert.encode(input_ids, token_type_ids, attention_mask, dropout_key)[-1]
        return self.span(hidden).sum()


class BertForTagging(nn.Module):
    """BERT with a linear-chain CRF over the tags of words."""

    config: BertConfig
    execution: Execution
    num_labels: int

    def setup(self) -> None:
        self.bert = Bert(self.config, self.execution)
        self.classifier = Dense(self.config, self.execution.of_scores, self.num_labels)
        self.crf = TagChain(self.num_labels)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        attention_mask: Int[Array, "B T"],
        dropout_key: Key[Array, ""] | None = None,
    ) -> TagScores:
        """Score the tags of each token, and the steps from one tag to the next."""
        bert_key, key = split(dropout_key)
        hidden = self.bert.encode(input_ids, token_type_ids, attention_mask, bert_key)[-1]
        dropped = dropout(hidden, self.config.hidden_dropout_prob, key)
        return TagScores(self.classifier(dropped).sum(), self.crf())


# What a checkpoint can hold, by the name that is stored with it.
KINDS: dict[str, type[nn.Module]] = {
    "encoder": BertEncoder,
    "pretraining": BertForPretraining,
    "sequence_classification": BertForSequenceClassification,
    "token_classification": BertForTokenClassification,
    "question_answering": BertForQuestionAnswering,
    "tagging": BertForTagging,
}
# Those whose head has a size of its own.
WITH_LABELS = ("sequence_classification", "token_classification", "tagging")


def make_model(
    kind: str, config: BertConfig, execution: Execution, num_labels: int = 0
) -> nn.Module:
    """Make the module of a kind; `num_labels` counts where there is a classifier."""
    labels = {"num_labels": num_labels} if kind in WITH_LABELS else {}
    return KINDS[kind](config=config, execution=execution, **labels)


def initialize(module: nn.Module, key: Key[Array, ""]) -> Any:
    """Draw a model's parameters."""
    ids = jnp.zeros((1, 2), jnp.int32)
    positions = (ids,) if isinstance(module, BertForPretraining) else ()
    return module.init(key, ids, ids, ids, *positions)["params"]
