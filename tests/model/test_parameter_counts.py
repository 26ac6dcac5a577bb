import jax
import jax.numpy as jnp
import pytest

from bert_jax.model import SIZES, BertConfig, BertForPretraining, Execution

# With both heads and the 30,522 word pieces of the published uncased models; and without heads.
PARAMETERS = {
    "tiny": (4_433_468, 4_385_920),
    "mini": (11_267_900, 11_170_560),
    "small": (29_058_876, 28_763_648),
    "medium": (41_668_412, 41_373_184),
    "base": (110_106_428, 109_482_240),
    "large": (336_226_108, 335_141_888),
}


def shapes_of(config):
    ids = jnp.zeros((1, 4), jnp.int32)
    model = BertForPretraining(config, Execution())
    key = jax.random.key(0)
    return jax.eval_shape(lambda: model.init(key, ids, ids, ids, ids[:, :2]))["params"]


def count(shapes):
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def by_formula(config):
    """Count layer by layer on paper: (encoder and pooler, heads)."""
    d, f, v = config.hidden_size, config.intermediate_size, config.vocab_size
    norm = 2 * d
    embeddings = (v + config.max_position_embeddings + config.type_vocab_size) * d + norm
    attention = 4 * (d * d + d)
    feed_forward = d * f + f + f * d + d
    layers = config.num_hidden_layers * (attention + feed_forward + 2 * norm)
    pooler = d * d + d
    language_model = d * d + d + norm + v
    return embeddings + layers + pooler, language_model + 2 * d + 2


def test_every_size_has_a_count():
    assert set(PARAMETERS) == set(SIZES)


@pytest.mark.parametrize("size", SIZES)
def test_a_size_has_exactly_as_many_parameters_as_published(size):
    config = BertConfig(vocab_size=30522, **SIZES[size])
    shapes = shapes_of(config)
    encoder, heads = by_formula(config)
    assert (count(shapes), count(shapes["bert"])) == PARAMETERS[size]
    assert (encoder + heads, encoder) == PARAMETERS[size]


def test_an_untied_head_adds_one_table():
    tied = BertConfig(vocab_size=100, **SIZES["tiny"])
    untied = BertConfig(vocab_size=100, **SIZES["tiny"], tie_word_embeddings=False)
    assert count(shapes_of(untied)) - count(shapes_of(tied)) == 100 * 128


def test_normalising_before_adds_one_layer_norm_at_the_end():
    post = BertConfig(vocab_size=100, **SIZES["tiny"])
    pre = BertConfig(vocab_size=100, **SIZES["tiny"], normalization="pre")
    assert count(shapes_of(pre)) - count(shapes_of(post)) == 2 * 128
