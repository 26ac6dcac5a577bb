"""What stands on the encoder: the pooler and the two heads of pretraining."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bert_jax.model.config import BertConfig, Execution
from bert_jax.model.gradients import add_bias
from bert_jax.model.layers import Dense, LayerNorm, activation, initializer
from bert_jax.model.precision import product


class Pooler(nn.Module):
    """Summarise each sequence by its first token: dense and tanh."""

    config: BertConfig
    execution: Execution

    @nn.compact
    def __call__(
        self, hidden: Float[Array, "B T D"], starts: Int[Array, "B K"] | None = None
    ) -> Float[Array, "R D"]:
        """Give a vector a row or, with `starts`, K a row, one row's after the other's."""
        if starts is None:
            first = hidden[:, 0]
        else:
            first = jnp.take_along_axis(hidden, starts[:, :, None], axis=1)  # [B, K, D]
            first = first.reshape(-1, first.shape[-1])
        first = self.execution.constrain(first, "batch", None)
        dense = Dense(self.config, self.execution, self.config.hidden_size, name="dense")
        return self.execution.constrain(jnp.tanh(dense(first).sum()), "batch", None)


@dataclasses.dataclass(frozen=True)
class Unscored:
    """Predictions before the vocabulary is scored, which gives the largest array of a step.

    Attributes:
        hidden: a vector a prediction, [B, P, D].
        table: a vector an entry of the vocabulary, [V, D].
        bias: of each entry, [V].
        execution: how products are computed.
    """

    hidden: Float[Array, "B P D"]
    table: Float[Array, "V D"]
    bias: Float[Array, "V"]
    execution: Execution

    def scores(self) -> Float[Array, "B P V"]:
        """Score the vocabulary for every prediction."""
        scores = product("bpd,vd->bpv", self.hidden, self.table, self.execution.compute_dtype)
        return add_bias(self.execution.constrain(scores, "batch", "sequence", "vocab"), self.bias)


class MaskedLanguageModelHead(nn.Module):
    """Prepare positions already gathered for the vocabulary: no work where nothing is predicted."""

    config: BertConfig
    execution: Execution

    @nn.compact
    def __call__(self, hidden: Float[Array, "B P D"], token_table: Float[Array, "V D"]) -> Unscored:
        config = self.config
        transformed = Dense(config, self.execution, config.hidden_size, name="transform")(hidden)
        norm = LayerNorm(config, self.execution, name="layer_norm")
        hidden = norm(transformed, of=lambda x: activation(config.hidden_act)(x.sum()))
        if not config.tie_word_embeddings:
            token_table = self.param("decoder", initializer(config), token_table.shape)
        bias = self.param("bias", nn.initializers.zeros, (config.vocab_size,))
        return Unscored(hidden, token_table, bias, self.execution)


class NextSentenceHead(nn.Module):
    """Tell from the pooled vector whether B follows A: index 0 says that it does."""

    config: BertConfig
    execution: Execution

    @nn.compact
    def __call__(self, pooled: Float[Array, "B D"]) -> Float[Array, "B 2"]:
        return Dense(self.config, self.execution, 2, name="dense")(pooled).sum()
