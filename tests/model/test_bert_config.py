import pytest

from bert_jax.model import BertConfig, Execution
from bert_jax.model.config import LARGEST, SIZES

SMALL = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


@pytest.mark.parametrize("name", [*SMALL, "max_position_embeddings", "type_vocab_size"])
@pytest.mark.parametrize("size", [0, -1, LARGEST["vocab_size"] + 1, 10**30])
def test_a_size_that_no_model_has_is_refused(name, size):
    with pytest.raises(ValueError, match=f"{name}={size} must be from 1 to"):
        BertConfig(**SMALL | {name: size})


def test_the_largest_sizes_leave_room_above_any_model():
    for sizes in SIZES.values():
        for name, size in sizes.items():
            assert 50 * size <= LARGEST[name] or name == "num_hidden_layers", name
    assert LARGEST["num_hidden_layers"] > 40 * SIZES["large"]["num_hidden_layers"]


@pytest.mark.parametrize("name", ["hidden_dropout_prob", "attention_probs_dropout_prob"])
@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_dropout_rate_outside_its_range_is_refused(name, rate):
    with pytest.raises(ValueError, match=f"{name}={rate} must be in "):
        BertConfig(**SMALL, **{name: rate})


def test_heads_that_do_not_divide_the_hidden_size_are_refused():
    with pytest.raises(ValueError, match="hidden_size=32 .* num_attention_heads=5"):
        BertConfig(**SMALL | {"num_attention_heads": 5})


@pytest.mark.parametrize(
    "setting",
    [{"hidden_act": "gelu_fast"}, {"initializer": "uniform"}, {"normalization": "both"}],
    ids=lambda s: str(*s),
)
def test_an_unknown_choice_is_refused_with_the_known_ones(setting):
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"{name}='{value}' must be one of .*, .*"):
        BertConfig(**SMALL, **setting)


@pytest.mark.parametrize(
    "setting", [{"compute_dtype": "float16"}, {"rematerialize": "all"}], ids=lambda s: str(*s)
)
def test_an_unknown_way_to_compute_is_refused_with_the_known_ones(setting):
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"{name}='{value}' must be one of .*, .*"):
        Execution(**setting)
