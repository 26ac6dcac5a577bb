import numpy as np
import pytest

from bert_jax.errors import CheckpointError
from bert_jax.interop.huggingface import read_huggingface

QUERY = "bert.encoder.layer.1.attention.self.query.weight"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "roberta"}, "model_type='roberta'"),
        ({"model_type": ["bert"]}, "model_type=['bert']"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type='relative_key'"),
        ({"is_decoder": True}, "is_decoder=True"),
        ({"add_cross_attention": True}, "add_cross_attention=True"),
        ({"hidden_act": "quick_gelu"}, 'hidden_act="quick_gelu"'),
        ({"hidden_size": "8"}, 'hidden_size="8", wants a whole number'),
        ({"hidden_size": 8.0}, "hidden_size=8.0, wants a whole number"),
        ({"hidden_size": True}, "hidden_size=true, wants a whole number"),
        ({"hidden_size": None}, "hidden_size=null, wants a whole number"),
        ({"hidden_size": -8}, "hidden_size=-8, wants 1 to"),
        ({"hidden_size": 10**30}, "hidden_size=1000"),
        ({"num_hidden_layers": 2**31 - 1}, "num_hidden_layers=2147483647 must be from 1"),
        ({"num_attention_heads": 3}, "not a multiple of num_attention_heads=3"),
        ({"layer_norm_eps": "1e-12"}, 'layer_norm_eps="1e-12", wants a number'),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps=nan"),
        ({"hidden_dropout_prob": 1}, "hidden_dropout_prob=1.0"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings=1, wants true or false"),
        ({"architectures": "BertModel"}, "architectures='BertModel'"),
        ({"vocab_size": 21}, "[20, 8], the config wants [21, 8]"),
        ({"hidden_size": 12}, "wants [12"),
        ({"num_hidden_layers": 3}, "num_hidden_layers=3, the file holds these layers: 0, 1"),
        ({"num_hidden_layers": 1}, "num_hidden_layers=1, the file holds these layers: 0, 1"),
    ],
)
def test_a_config_that_does_not_fit_is_one_clear_line(config, words, rewritten):
    with pytest.raises(CheckpointError) as raised:
        read_huggingface(rewritten("hf_pretraining", config=config))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "config.json" in str(raised.value) or "model.safetensors" in str(raised.value)


@pytest.mark.parametrize(
    ("id2label", "words"),
    [
        ({"0": "a", "1": "b"}, "[3], the config wants [2]"),
        ({"0": "a", "2": "b", "3": "c"}, "id2label"),
        ({"0": "a", "1": 1, "2": "c"}, "id2label"),
        ({}, "id2label"),
        ("abc", "id2label"),
    ],
)
def test_labels_that_do_not_fit_are_one_clear_line(id2label, words, rewritten):
    with pytest.raises(CheckpointError) as raised:
        read_huggingface(rewritten("hf_sequence", config={"id2label": id2label}))
    assert words in str(raised.value) or "classifier" in str(raised.value)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "got a JSON list, wants an object"),
        (b"1" * 5_000, "not JSON"),
    ],
)
def test_a_config_that_is_no_json_object_is_one_clear_line(text, words, rewritten):
    folder = rewritten("hf_encoder")
    (folder / "config.json").write_bytes(text)
    with pytest.raises(CheckpointError, match=words) as raised:
        read_huggingface(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (lambda t: t | {QUERY: t[QUERY].astype(np.int8)}, "query.weight holds int8"),
        (lambda t: t | {QUERY: np.zeros((8, 12), np.float32)}, "[8, 12], the config wants [8, 8]"),
        (lambda t: t | {QUERY: np.full((8, 8), 1e300)}, "too large for float32"),
        (lambda t: t | {"module." + QUERY: t[QUERY]}, "and another tensor are both"),
        (lambda t: {"x": np.zeros(2, np.float32)}, "none of its 1 tensors belongs to a BERT"),
        (lambda t: {}, "none of its 0 tensors"),
        (lambda t: {n: a for n, a in t.items() if "layer.0" not in n}, "these layers: 1"),
        (
            lambda t: t | {"bert.encoder.layer.4.output.dense.bias": np.zeros(8, np.float32)},
            "these layers: 0, 1, 4",
        ),
        (
            lambda t: {n.replace("layer.1.", "layer.4."): a for n, a in t.items()},
            "these layers: 0, 4",
        ),
    ],
)
def test_weights_that_do_not_fit_are_one_clear_line(tensors, words, rewritten):
    with pytest.raises(CheckpointError) as raised:
        read_huggingface(rewritten("hf_pretraining", tensors))
    assert words in str(raised.value)
    assert "model.safetensors" in str(raised.value)


@pytest.mark.parametrize(
    ("config", "words"),
    [({"pad_token_id": 11}, "pad_token_id=11"), ({"hidden_act": "relu"}, "hidden_act=relu")],
)
def test_a_pre_norm_model_that_is_not_ours_is_refused(config, words, rewritten):
    with pytest.raises(CheckpointError, match=words):
        read_huggingface(rewritten("hf_prelayernorm", config=config))
