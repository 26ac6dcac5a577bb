"""Multi-head self-attention."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from bert_jax.model.config import BertConfig, Execution
from bert_jax.model.dropout import dropout
from bert_jax.model.fused_attention import Visible, fused_attention
from bert_jax.model.layers import Affine, Dense
from bert_jax.model.precision import product

# Added to the scores of keys that may not be seen; finite, so that a row of padding alone
# still has a softmax.
MASKED_SCORE = -1e9


class SelfAttention(nn.Module):
    """Attend over the keys of one sequence (Vaswani et al. 2017), with an output projection.

    Who asks for the collection `intermediates` finds the probabilities in it, before dropout.
    A fused kernel keeps none, and drops none.
    """

    config: BertConfig
    execution: Execution

    @nn.compact
    def __call__(
        self,
        hidden: Float[Array, "B T D"],
        visible: Float[Array, "B 1 #T S"] | Visible,
        dropout_key: Key[Array, ""] | None,
    ) -> Affine:
        config = self.config
        constrain = self.execution.constrain

        def heads(name: str, tokens: str | None) -> Float[Array, "B T N H"]:
            projected = Dense(config, self.execution, config.hidden_size, name=name)(hidden)
            summed = projected.sum().astype(self.execution.activation_dtype)
            cut = summed.reshape(*hidden.shape[:2], config.num_attention_heads, -1)
            return constrain(cut, "batch", tokens, "heads", None)

        # Where a sequence is cut, each part asks with its own tokens for what all tokens hold.
        query, key, value = heads("query", "sequence"), heads("key", None), heads("value", None)
        query = query / math.sqrt(config.head_size)
        if isinstance(visible, Visible):
            rate = config.attention_probs_dropout_prob
            context = fused_attention(query, key, value, visible, self.execution, rate, dropout_key)
        else:
            context = self._average(query, key, value, visible, dropout_key)
        context = constrain(context, "batch", "sequence", "heads", None)
        context = context.reshape(hidden.shape)
        return Dense(config, self.execution, config.hidden_size, name="output")(context)

    def _average(
        self, query: Array, key: Array, value: Array, bias: Array, dropout_key: Array | None
    ) -> Float[Array, "B T N H"]:
        scores = product("btnh,bsnh->bnts", query, key, self.execution.compute_dtype)
        probabilities = jax.nn.softmax(scores + bias, axis=-1)  # [B, N, T, S]
        # Adds nothing to a computation in which nobody asks for it.
        self.sow("intermediates", "probabilities", probabilities)
        rate = self.config.attention_probs_dropout_prob
        probabilities = dropout(probabilities, rate, dropout_key)
        return self.execution.product("bnts,bsnh->btnh", probabilities, value)


def what_is_visible(
    attention_mask: Int[Array, "B S"], segments: Int[Array, "B S"] | None, execution: Execution
) -> Float[Array, "B 1 #S S"] | Visible:
    """Turn a mask over keys, or the segments of packed rows, into what the attention takes."""
    if execution.attention != "plain":
        return Visible(attention_mask if segments is None else segments, segments)
    if segments is None:
        return key_bias(attention_mask)
    return execution.constrain(segment_bias(segments), "batch", None, "sequence", None)


def key_bias(attention_mask: Array) -> Float[Array, "B 1 1 S"]:
    """Turn a mask over keys (1 = may be seen) into what is added to attention scores."""
    return jnp.where(attention_mask[:, None, None, :] != 0, 0.0, MASKED_SCORE)


def segment_bias(segments: Int[Array, "B T"]) -> Float[Array, "B 1 T T"]:
    """Let each token see those of its own segment alone; padding, segment 0, sees padding."""
    same = segments[:, None, :, None] == segments[:, None, None, :]
    return jnp.where(same, 0.0, MASKED_SCORE)
