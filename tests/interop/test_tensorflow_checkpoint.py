import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_tensor_bundle import write_bundle

from bert_jax.errors import CheckpointError
from bert_jax.interop.huggingface import read_huggingface
from bert_jax.interop.tensor_bundle import read_bundle
from bert_jax.interop.tensorflow_checkpoint import is_tensorflow, read_tensorflow
from bert_jax.interop.tensors import read_tensors

GOLDENS = Path(__file__).parent / "goldens"
TOY = Path(__file__).resolve().parents[3] / "shared" / "data" / "weights" / "tf1-toy"
ONLY_WITH_TOY = pytest.mark.skipif(not TOY.is_dir(), reason="needs Google's toy checkpoint")
HEADS = {
    "cls.predictions.bias": "cls/predictions/output_bias",
    "cls.seq_relationship.weight": "cls/seq_relationship/output_weights",
    "cls.seq_relationship.bias": "cls/seq_relationship/output_bias",
    "classifier.weight": "output_weights",
    "classifier.bias": "output_bias",
    "qa_outputs.weight": "cls/squad/output_weights",
    "qa_outputs.bias": "cls/squad/output_bias",
}


def variables_of(folder):
    """A Hugging Face model under Google's names, by the rules that relate the two."""
    variables = {}
    for name, tensor in read_tensors(folder)[0].items():
        name = name if name.startswith(("bert.", "cls.", *HEADS)) else f"bert.{name}"
        if name in HEADS:
            variables[HEADS[name]] = tensor
            continue
        name = name.replace("layer.", "layer_").replace(".", "/")
        if "LayerNorm" in name:
            name = name.replace("weight", "gamma").replace("LayerNorm/bias", "LayerNorm/beta")
        elif name.endswith("_embeddings/weight"):
            name = name.removesuffix("/weight")
        elif name.endswith("/weight"):
            name, tensor = name.replace("weight", "kernel"), tensor.T
        variables[name] = np.ascontiguousarray(tensor)
    return variables


def write(directory, name, prefix="bert_model.ckpt", variables=None, config=None):
    """A checkpoint as Google's code leaves it, out of a golden."""
    write_bundle(directory / prefix, variables or variables_of(GOLDENS / name))
    values = json.loads((GOLDENS / name / "config.json").read_text())
    fields = [key for key in values if key.endswith(("_size", "_act", "_prob", "_embeddings"))]
    kept = {key: values[key] for key in fields if key != "tie_word_embeddings"}
    layers = {key: values[key] for key in ("num_hidden_layers", "num_attention_heads")}
    (directory / "bert_config.json").write_text(json.dumps(kept | layers | (config or {})))
    return directory


@pytest.mark.parametrize("name", ["hf_encoder", "hf_pretraining", "hf_sequence", "hf_question"])
def test_the_same_model_is_found_as_under_the_names_of_hugging_face(name, tmp_path):
    model = read_tensorflow(write(tmp_path, name))
    wanted = read_huggingface(GOLDENS / name)
    assert (model.kind, model.config, model.unused) == (wanted.kind, wanted.config, ())
    assert model.arrays.keys() == wanted.arrays.keys()
    for path, array in wanted.arrays.items():
        np.testing.assert_array_equal(model.arrays[path], array, err_msg=path)
    numbered = ("LABEL_0", "LABEL_1", "LABEL_2") if name == "hf_sequence" else ()
    assert (model.labels, model.tokenizer) == (numbered, None)
    assert model.source == tmp_path / "bert_model.ckpt.index"
    (tmp_path / "vocab.txt").touch()
    assert read_tensorflow(tmp_path).tokenizer == tmp_path


def test_what_trains_and_does_not_count_is_left_out_with_the_reason(tmp_path):
    more = {
        "bert/pooler/dense/kernel/adam_m": np.ones((8, 8), np.float32),
        "bert/pooler/dense/kernel/adam_v": np.ones((8, 8), np.float32),
        "global_step": np.array(20, np.int64),
        "somebodys/kernel": np.ones(3, np.float32),
    }
    variables = variables_of(GOLDENS / "hf_encoder") | more
    model = read_tensorflow(write(tmp_path, "hf_encoder", variables=variables))
    assert sorted(model.unused) == [
        "bert/pooler/dense/kernel/adam_m (optimizer state)",
        "bert/pooler/dense/kernel/adam_v (optimizer state)",
        "global_step (counts steps)",
        "somebodys/kernel (no such part in a BERT)",
    ]


def test_the_latest_step_is_taken_and_another_can_be_named(tmp_path):
    assert not is_tensorflow(tmp_path)
    for step, prefix in enumerate(["bert_model.ckpt", "model.ckpt-9", "model.ckpt-10"]):
        variables = variables_of(GOLDENS / "hf_encoder")
        variables["bert/pooler/dense/bias"] = np.full(8, step, np.float32)
        write(tmp_path, "hf_encoder", prefix, variables)

    def step_of(path):
        assert is_tensorflow(path)
        return read_tensorflow(path).arrays["bert/pooler/dense/bias"][0]

    assert step_of(tmp_path) == 2
    assert step_of(tmp_path / "model.ckpt-9") == 1
    assert step_of(tmp_path / "bert_model.ckpt.data-00000-of-00001") == 0
    assert step_of(tmp_path / "bert_model.ckpt.index") == 0
    assert not is_tensorflow(tmp_path / "model.ckpt-1")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"hidden_act": "tanh"}, 'hidden_act="tanh"'),
        ({"hidden_size": 12}, "wants [12"),
        ({"vocab_size": "20"}, 'vocab_size="20"'),
        ({"num_hidden_layers": 3}, "num_hidden_layers=3"),
    ],
)
def test_a_config_that_does_not_fit_is_one_clear_line(config, words, tmp_path):
    write(tmp_path, "hf_pretraining", config=config)
    with pytest.raises(CheckpointError) as raised:
        read_tensorflow(tmp_path)
    assert words in str(raised.value)
    assert "bert_config.json" in str(raised.value) or "ckpt.index" in str(raised.value)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        read_tensorflow(tmp_path)
    write(tmp_path, "hf_encoder")
    (tmp_path / "bert_config.json").unlink()
    with pytest.raises(CheckpointError, match="bert_config.json: no such file; copy it"):
        read_tensorflow(tmp_path)


@ONLY_WITH_TOY
def test_googles_own_checkpoint_is_read_to_the_last_variable(tmp_path):
    model = read_tensorflow(TOY)
    variables = read_bundle(TOY / "bert_model.ckpt")
    assert (model.kind, model.labels, model.tokenizer) == ("pretraining", (), TOY)
    assert len(model.arrays) == 46
    reasons = [name.split(" ", 1)[1] for name in model.unused]
    assert sorted(set(reasons)) == ["(counts steps)", "(optimizer state)"]
    assert reasons.count("(optimizer state)") == 2 * 46
    assert len(variables) == 3 * 46 + 1
    np.testing.assert_array_equal(
        model.arrays["bert/encoder/layer_1/feed_forward/intermediate/kernel"],
        variables["bert/encoder/layer_1/intermediate/dense/kernel"],
    )
    np.testing.assert_array_equal(
        model.arrays["next_sentence/dense/kernel"],
        variables["cls/seq_relationship/output_weights"].T,
    )


@ONLY_WITH_TOY
def test_a_damaged_checkpoint_is_refused(tmp_path):
    folder = Path(shutil.copytree(TOY, tmp_path / "toy", copy_function=shutil.copyfile))
    folder.chmod(0o755)
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100] + b"?" + data.read_bytes()[101:])
    with pytest.raises(CheckpointError):
        read_tensorflow(folder)
