import dataclasses
import json
from pathlib import Path

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from bert_jax.data.tokenizers import load_tokenizer
from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.errors import ConfigError
from bert_jax.interop.huggingface import is_huggingface, read_huggingface, write_huggingface
from bert_jax.interop.tensors import read_tensors, write_safetensors
from bert_jax.model import BertForPretraining, Execution

GOLDENS = Path(__file__).parent / "goldens"
FOLDERS = sorted(path.name for path in GOLDENS.glob("hf_*"))
TINY_SST2 = Path(__file__).resolve().parents[3] / "shared/data/weights/bert-tiny-sst2"
QUERY = "bert.encoder.layer.1.attention.self.query.weight"


def vocabulary(pad_id=0, size=20):
    tokens = [f"word{i}" for i in range(size - len(SPECIAL_TOKENS))]
    rest = [token for token in SPECIAL_TOKENS if token != "[PAD]"] + tokens
    return WordPiece([*rest[:pad_id], "[PAD]", *rest[pad_id:]], lower_case=True)


def same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


# --- there and back ---


@pytest.mark.parametrize("name", FOLDERS)
def test_a_model_goes_through_ours_and_comes_back_bit_for_bit(name, tmp_path):
    model = read_huggingface(GOLDENS / name)
    tokenizer = vocabulary(pad_id=1) if name == "hf_prelayernorm" else None
    left = write_huggingface(
        tmp_path / "out", model.config, model.kind, model.labels, model.arrays, tokenizer
    )
    assert left == ()
    same(read_tensors(tmp_path / "out")[0], read_tensors(GOLDENS / name)[0])
    before = json.loads((GOLDENS / name / "config.json").read_text())
    after = json.loads((tmp_path / "out" / "config.json").read_text())
    assert after.pop("label2id", None) == (
        {label: i for i, label in enumerate(model.labels)} if model.labels else None
    )
    unsaid = {"bos_token_id", "eos_token_id"}  # RoBERTa's have no meaning here
    assert {key: before[key] for key in after.keys() - unsaid} == {
        key: after[key] for key in after.keys() - unsaid
    }
    again = read_huggingface(tmp_path / "out")
    same(again.arrays, model.arrays)
    assert (again.config, again.kind, again.labels) == (model.config, model.kind, model.labels)


@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        ("hf_encoder", "encoder", ()),
        ("hf_pretraining", "pretraining", ()),
        ("hf_masked_untied", "pretraining", ()),
        ("hf_prelayernorm", "pretraining", ()),
        ("hf_sequence", "sequence_classification", ("bad", "so so", "gut")),
        ("hf_token", "token_classification", ("O", "B-人", "I-人")),
        ("hf_question", "question_answering", ()),
    ],
)
def test_the_kind_is_found_with_or_without_a_class_named(name, kind, labels, rewritten):
    assert is_huggingface(GOLDENS / name)
    for drop in ((), ("architectures", "model_type") if "layernorm" not in name else ()):
        model = read_huggingface(rewritten(name, drop=drop))
        assert (model.kind, model.labels) == (kind, labels)
    assert model.config.normalization == ("pre" if name == "hf_prelayernorm" else "post")
    assert model.config.hidden_act == ("gelu_new" if "untied" in name else "gelu")


def test_kernels_are_turned_and_tables_are_not():
    model = read_huggingface(GOLDENS / "hf_pretraining")
    tensors, source = read_tensors(GOLDENS / "hf_pretraining")
    assert model.source == source
    turned = model.arrays["bert/encoder/layer_1/attention/query/kernel"]
    np.testing.assert_array_equal(turned, tensors[QUERY].T)
    np.testing.assert_array_equal(
        model.arrays["bert/embeddings/position/embedding"],
        tensors["bert.embeddings.position_embeddings.weight"],
    )


def test_a_pre_norm_model_answers_as_transformers_did():
    model = read_huggingface(GOLDENS / "hf_prelayernorm")
    answers = np.load(GOLDENS / "hf_prelayernorm" / "answers.npz")
    assert model.config.max_position_embeddings == 10
    size = model.config.hidden_size
    not_there = {  # a model for fill-mask has neither
        "bert/pooler/dense/kernel": np.zeros((size, size)),
        "bert/pooler/dense/bias": np.zeros(size),
        "next_sentence/dense/kernel": np.zeros((size, 2)),
        "next_sentence/dense/bias": np.zeros(2),
    }
    params = unflatten_dict(
        {tuple(path.split("/")): jnp.array(a) for path, a in (model.arrays | not_there).items()}
    )
    ids, types, mask = (jnp.array(answers[name]) for name in ("ids", "types", "mask"))
    positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)
    scores = BertForPretraining(model.config, Execution()).apply(
        {"params": params}, ids, types, mask, positions
    )
    real = answers["mask"].astype(bool)
    np.testing.assert_allclose(
        np.asarray(scores.masked_language_model)[real], answers["logits"][real], rtol=0, atol=1e-5
    )


# --- what other versions wrote ---


def test_old_names_wrappers_and_buffers_are_understood(rewritten):
    def old(tensors):
        def name(new):
            if "LayerNorm" in new:
                new = new.replace("weight", "gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            return "module." + new

        return {name(new): tensor for new, tensor in tensors.items()} | {
            "module.bert.embeddings.position_ids": np.arange(10)[None],
            "module.cls.predictions.decoder.weight": tensors[
                "bert.embeddings.word_embeddings.weight"
            ],
            "module.cls.predictions.decoder.bias": tensors["cls.predictions.bias"],
            "module.dropout.step": np.zeros(2, np.int64),
        }

    model = read_huggingface(rewritten("hf_pretraining", old))
    wanted = read_huggingface(GOLDENS / "hf_pretraining")
    same(model.arrays, wanted.arrays)
    assert model.config == wanted.config
    assert sorted(model.unused) == [
        "module.bert.embeddings.position_ids (counts positions, no weight)",
        "module.cls.predictions.decoder.bias (a copy of module.cls.predictions.bias)",
        "module.cls.predictions.decoder.weight "
        "(a copy of module.bert.embeddings.word_embeddings.weight)",
        "module.dropout.step (no such part in a BERT)",
    ]


def test_an_output_matrix_of_its_own_is_kept(rewritten):
    own = np.ones((20, 8), np.float32)
    model = read_huggingface(
        rewritten("hf_pretraining", lambda t: t | {"cls.predictions.decoder.weight": own})
    )
    assert not model.config.tie_word_embeddings
    np.testing.assert_array_equal(model.arrays["masked_language_model/decoder"], own)


def test_of_two_biases_the_one_that_is_added_is_taken(rewritten):
    own = np.ones(20, np.float32)
    model = read_huggingface(
        rewritten("hf_pretraining", lambda t: t | {"cls.predictions.decoder.bias": own})
    )
    np.testing.assert_array_equal(model.arrays["masked_language_model/bias"], own)
    assert model.unused == (
        "cls.predictions.bias (cls.predictions.decoder.bias is added in its stead)",
    )


def test_an_output_matrix_alone_is_not_taken_for_the_token_table(rewritten):
    table = "bert.embeddings.word_embeddings.weight"

    def moved(tensors):
        tensors["cls.predictions.decoder.weight"] = tensors.pop(table)
        return tensors

    model = read_huggingface(rewritten("hf_pretraining", moved))
    assert not model.config.tie_word_embeddings
    assert "bert/embeddings/token/embedding" not in model.arrays


def test_heads_that_the_class_lacks_are_left_out_with_the_reason(rewritten):
    model = read_huggingface(rewritten("hf_question", config={"architectures": ["SomebodysModel"]}))
    assert model.kind == "encoder"
    assert model.unused == (
        "qa_outputs.bias (not a part of this model, encoder)",
        "qa_outputs.weight (not a part of this model, encoder)",
    )


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_floats_become_float32(dtype, rewritten):
    model = read_huggingface(
        rewritten("hf_encoder", lambda t: {name: array.astype(dtype) for name, array in t.items()})
    )
    wanted = read_huggingface(GOLDENS / "hf_encoder").arrays
    same(model.arrays, {p: a.astype(dtype).astype(np.float32) for p, a in wanted.items()})


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("gelu_python", "gelu"),
        ("gelu_pytorch_tanh", "gelu_new"),
        ("gelu_fast", "gelu_new"),
        ("swish", "silu"),
        ("relu", "relu"),
    ],
)
def test_activations_have_several_names(published, ours, rewritten):
    folder = rewritten("hf_encoder", config={"hidden_act": published})
    assert read_huggingface(folder).config.hidden_act == ours


def test_fields_that_are_missing_are_those_of_bert_base(rewritten):
    sizes = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"}
    kept = sizes | {"intermediate_size", "max_position_embeddings"}
    values = json.loads((GOLDENS / "hf_encoder" / "config.json").read_text())
    model = read_huggingface(rewritten("hf_encoder", drop=values.keys() - kept))
    assert model.config == read_huggingface(GOLDENS / "hf_encoder").config


def test_missing_weights_are_absent_and_nothing_else(rewritten):
    model = read_huggingface(
        rewritten("hf_pretraining", lambda t: {n: a for n, a in t.items() if n != QUERY})
    )
    wanted = read_huggingface(GOLDENS / "hf_pretraining").arrays
    assert wanted.keys() - model.arrays.keys() == {"bert/encoder/layer_1/attention/query/kernel"}


def test_labels_are_numbered_where_none_are_given(rewritten):
    model = read_huggingface(rewritten("hf_sequence", drop=["id2label", "label2id"]))
    assert model.labels == ("LABEL_0", "LABEL_1", "LABEL_2")


@pytest.mark.skipif(not TINY_SST2.is_dir(), reason="needs the trained BERT-Tiny")
def test_a_trained_classifier_is_read(tmp_path):
    tensors = dict(np.load(TINY_SST2 / "encoder_hf_names.npz"))
    write_safetensors(tmp_path / "model.safetensors", tensors)
    values = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    values |= {"intermediate_size": 512, "architectures": ["BertForSequenceClassification"]}
    (tmp_path / "config.json").write_text(json.dumps(values))
    model = read_huggingface(tmp_path)
    assert (model.kind, model.unused, len(model.arrays)) == ("sequence_classification", (), 36)
    kernel = model.arrays["bert/encoder/layer_1/feed_forward/output/kernel"]
    np.testing.assert_array_equal(kernel, tensors["bert.encoder.layer.1.output.dense.weight"].T)


# --- writing ---


def test_the_folder_has_the_tokenizer_and_no_rows_beyond_it(tmp_path):
    model = read_huggingface(GOLDENS / "hf_masked_untied")
    tokenizer = vocabulary(size=17)
    nested = unflatten_dict({tuple(p.split("/")): a for p, a in model.arrays.items()})
    write_huggingface(tmp_path / "new/out", model.config, model.kind, (), nested, tokenizer)
    again = read_huggingface(tmp_path / "new" / "out")
    assert again.config.vocab_size == 17
    whole = ("bert/embeddings/token/embedding", "masked_language_model/bias",
             "masked_language_model/decoder")  # fmt: skip
    same(again.arrays, model.arrays | {path: model.arrays[path][:17] for path in whole})
    assert load_tokenizer(again.tokenizer).fingerprint == tokenizer.fingerprint
    settings = json.loads((tmp_path / "new" / "out" / "tokenizer_config.json").read_text())
    assert settings["model_max_length"] == 10
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["out"]


def test_what_a_class_lacks_is_named(tmp_path):
    model = read_huggingface(GOLDENS / "hf_prelayernorm")
    head = {"next_sentence/dense/kernel": np.ones((8, 2)), "bert/pooler/dense/bias": np.ones(8)}
    left = write_huggingface(
        tmp_path / "out", model.config, "pretraining", (), model.arrays | head, None
    )
    assert left == ("bert/pooler/dense/bias", "next_sentence/dense/kernel")
    same(read_huggingface(tmp_path / "out").arrays, model.arrays)


@pytest.mark.parametrize("name", ["hf_masked_untied", "hf_token", "hf_question"])
def test_a_pooler_is_written_only_where_there_is_one(name, tmp_path):
    model = read_huggingface(GOLDENS / name)
    pooler = {"bert/pooler/dense/kernel": np.ones((8, 8)), "bert/pooler/dense/bias": np.ones(8)}
    left = write_huggingface(
        tmp_path / "out", model.config, model.kind, model.labels, model.arrays | pooler, None
    )
    assert left == ("bert/pooler/dense/bias", "bert/pooler/dense/kernel")
    same(read_tensors(tmp_path / "out")[0], read_tensors(GOLDENS / name)[0])


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    model = read_huggingface(GOLDENS / "hf_encoder")
    (tmp_path / "mine.txt").write_text("mine")
    for taken in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ConfigError, match="not empty"):
            write_huggingface(taken, model.config, model.kind, (), model.arrays, None)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    write_huggingface(tmp_path / "empty", model.config, model.kind, (), model.arrays, None)
    assert is_huggingface(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("hf_prelayernorm", {"kind": "sequence_classification"}, "no counterpart"),
        ("hf_prelayernorm", {"hidden_act": "relu"}, "knows only gelu"),
        ("hf_sequence", {"labels": ("a", "b")}, "2 labels for a classifier of 3"),
        ("hf_encoder", {"tokenizer": vocabulary(size=21)}, "21 pieces"),
        ("hf_encoder", {"kind": "question_answering"}, "no class"),
    ],
)
def test_what_cannot_be_written_leaves_nothing_behind(name, changes, words, tmp_path):
    model = read_huggingface(GOLDENS / name)
    config = dataclasses.replace(
        model.config, hidden_act=changes.get("hidden_act", model.config.hidden_act)
    )
    with pytest.raises(ConfigError, match=words):
        write_huggingface(
            tmp_path / "out",
            config,
            changes.get("kind", model.kind),
            changes.get("labels", model.labels),
            model.arrays,
            changes.get("tokenizer"),
        )
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path):
    class Refusing:
        vocab_size, pad_id = 20, 0

        def save(self, directory):
            (directory / "vocab.txt").write_text("half")
            raise OSError(28, "No space left on device")

    model = read_huggingface(GOLDENS / "hf_encoder")
    with pytest.raises(OSError):
        write_huggingface(tmp_path / "out", model.config, model.kind, (), model.arrays, Refusing())
    assert not list(tmp_path.iterdir())
