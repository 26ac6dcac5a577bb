"""What tests of probes share: a model of one layer, and a tokenizer of letters."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from bert_jax.model import BertConfig, BertForPretraining, Execution

CONFIG = BertConfig(
    vocab_size=24,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=12,
    initializer_range=0.5,
)


class _Letters:
    """A tokenizer of letters; ids 20 to 23 are the model's alone."""

    pad_id, cls_id, sep_id, mask_id, vocab_size = 0, 1, 2, 3, 20

    def encode_batch(self, texts):
        return [[ord(letter) - ord("a") + 4 for letter in text.split()] for text in texts]


@pytest.fixture(scope="package")
def letters():
    return _Letters()


@pytest.fixture(scope="package")
def device():
    mesh = jax.make_mesh((1,), ("data",), devices=jax.devices()[:1])
    return NamedSharding(mesh, PartitionSpec())


@pytest.fixture(scope="package")
def small():
    """The model: its module and its parameters."""
    module = BertForPretraining(CONFIG, Execution())
    ids = jnp.zeros((1, 4), jnp.int32)
    params = jax.jit(module.init)(jax.random.key(0), ids, ids, ids, ids[:, :1])["params"]
    return SimpleNamespace(module=module, params=params)
