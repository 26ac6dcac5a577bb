"""From token ids to hidden states: embeddings and a stack of Transformer layers."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from bert_jax.model.attention import SelfAttention, key_bias, what_is_visible
from bert_jax.model.config import BertConfig, Execution
from bert_jax.model.dropout import dropout
from bert_jax.model.fused_attention import Visible
from bert_jax.model.layers import Affine, Dense, Embedding, LayerNorm, activation
from bert_jax.model.placement import row_major
from bert_jax.model.rematerialization import rematerialized


class Embeddings(nn.Module):
    """Token, position and segment embeddings, summed, normalised and dropped out."""

    config: BertConfig
    execution: Execution

    def setup(self) -> None:
        config, execution = self.config, self.execution
        self.token = Embedding(config, execution, config.vocab_size, "vocab")
        self.position = Embedding(config, execution, config.max_position_embeddings)
        self.token_type = Embedding(config, execution, config.type_vocab_size)
        self.layer_norm = LayerNorm(config, execution)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        dropout_key: Key[Array, ""] | None,
        positions: Int[Array, "B T"] | None = None,
    ) -> Float[Array, "B T D"]:
        """Embed tokens; without `positions` they are counted from the beginning of the row."""
        embedded = self.token(input_ids) + self.token_type(token_type_ids)
        if positions is None:
            embedded += self._positions(input_ids.shape[1])
        else:
            embedded += self.position(positions)
        embedded = row_major(self.execution.constrain(embedded, "batch", "sequence", None))
        return dropout(self.layer_norm(embedded), self.config.hidden_dropout_prob, dropout_key)

    def _positions(self, length: int) -> Float[Array, "T D"]:
        if length > self.config.max_position_embeddings:
            raise ValueError(
                f"a sequence of {length} tokens is longer than "
                f"max_position_embeddings={self.config.max_position_embeddings}"
            )
        return self.position.table[:length]

    @property
    def token_table(self) -> Float[Array, "V D"]:
        """The token embeddings, which the masked language model's head shares."""
        return self.token.embedding


class FeedForward(nn.Module):
    """Two dense layers with an activation between them, at every position."""

    config: BertConfig
    execution: Execution

    @nn.compact
    def __call__(self, hidden: Float[Array, "B T D"]) -> Affine:
        config, execution = self.config, self.execution
        wide = Dense(config, execution, config.intermediate_size, name="intermediate")(hidden)

        def activate(wide: Affine) -> Float[Array, "B T F"]:
            summed = execution.constrain(wide.sum(), "batch", "sequence", "mlp")
            return activation(config.hidden_act)(summed).astype(execution.activation_dtype)

        wide = execution.elementwise(activate)(wide)
        return Dense(config, execution, config.hidden_size, name="output")(wide)


class Layer(nn.Module):
    """Attention and feed-forward, each with a residual and a LayerNorm after or before it."""

    config: BertConfig
    execution: Execution

    @nn.compact
    def __call__(
        self,
        hidden: Float[Array, "B T D"],
        visible: Float[Array, "B 1 #T S"] | Visible,
        dropout_key: Key[Array, ""] | None,
    ) -> Float[Array, "B T D"]:
        config = self.config
        keys = [None] * 3 if dropout_key is None else list(jax.random.split(dropout_key, 3))
        attention = SelfAttention(config, self.execution, name="attention")
        feed_forward = FeedForward(config, self.execution, name="feed_forward")
        attention_norm = LayerNorm(config, self.execution, name="attention_layer_norm")
        feed_forward_norm = LayerNorm(config, self.execution, name="feed_forward_layer_norm")

        def add(hidden: Array, update: Affine, key: Array | None) -> Array:
            summed = self.execution.constrain(update.sum(), "batch", "sequence", None)
            return hidden + dropout(summed, config.hidden_dropout_prob, key)

        if config.normalization == "pre":
            add = self.execution.elementwise(add)
            hidden = add(hidden, attention(attention_norm(hidden), visible, keys[0]), keys[1])
            return add(hidden, feed_forward(feed_forward_norm(hidden)), keys[2])
        update = attention(hidden, visible, keys[0])
        hidden = attention_norm(hidden, update, keys[1], of=add)
        return feed_forward_norm(hidden, feed_forward(hidden), keys[2], of=add)


class Encoder(nn.Module):
    """The stack of layers, unrolled or scanned; its parameters are a subtree a layer in both."""

    config: BertConfig
    execution: Execution

    @nn.compact
    def __call__(
        self,
        hidden: Float[Array, "B T D"],
        attention_mask: Int[Array, "B T"],
        dropout_key: Key[Array, ""] | None,
        segments: Int[Array, "B T"] | None = None,
    ) -> tuple[Float[Array, "B T D"], tuple[Float[Array, "B T D"], ...]]:
        """Return the last hidden states, and those after each layer (none when scanned).

        With `segments`, tokens see those of their own segment, and `attention_mask` is not used.
        """
        config, execution = self.config, self.execution
        visible = what_is_visible(attention_mask, segments, execution)
        if config.normalization == "pre":
            hidden = hidden.astype(jnp.float32)  # sums are, and here no LayerNorm comes after them
        names = [f"layer_{i}" for i in range(config.num_hidden_layers)]
        layer = Layer(config, execution, parent=None)

        def apply(parameters: Any, hidden: Array, key: Array | None) -> Array:
            return layer.apply({"params": parameters}, hidden, visible, key)  # type: ignore[return-value]

        apply = rematerialized(apply, execution.rematerialize)
        subtrees = [self.param(name, lambda key: layer.init(key, hidden, visible, None)["params"])
                    for name in names]  # fmt: skip
        keys = None if dropout_key is None else jax.random.split(dropout_key, len(names))
        each: list[Array] = []
        if execution.scan_layers:
            stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *subtrees)
            hidden, _ = jax.lax.scan(lambda h, x: (apply(x[0], h, x[1]), None), hidden,
                                     (stacked, keys))  # fmt: skip
        else:
            for i, subtree in enumerate(subtrees):
                hidden = apply(subtree, hidden, None if keys is None else keys[i])
                each.append(hidden)
        if config.normalization == "pre":
            hidden = LayerNorm(config, execution, name="layer_norm")(hidden)
            each = [*each[:-1], hidden]
        return hidden, tuple(each)


def attention_probabilities(
    config: BertConfig,
    parameters: Any,
    hidden_states: Sequence[Float[Array, "B T D"]],
    attention_mask: Int[Array, "B T"],
) -> Float[Array, "B L N T S"]:
    """Tell from the states that enter each layer how its heads attend; every row sums to one.

    Args:
        config: that of the model.
        parameters: the encoder's, a subtree a layer.
        hidden_states: the embeddings and what each layer gives, as `Bert.encode` returns them.
        attention_mask: 1 where a token may be seen.
    """
    layer, bias = Layer(config, Execution()), key_bias(attention_mask)
    found = []
    for i, hidden in enumerate(hidden_states[: config.num_hidden_layers]):
        subtree = {"params": parameters[f"layer_{i}"]}
        # The rest of the layer is computed too, unless the compiler sees that nobody wants it.
        _, kept = layer.apply(subtree, hidden, bias, None, mutable=["intermediates"])
        (probabilities,) = kept["intermediates"]["attention"]["probabilities"]
        found.append(probabilities)
    return jnp.stack(found, axis=1)
