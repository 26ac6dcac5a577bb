"""Models from one form to another, and what is refused on the way."""

import json
import struct

import numpy as np
import pytest

import bert_jax
from bert_jax.errors import CheckpointError, ConfigError
from bert_jax.interop.tensors import read_tensors, write_safetensors
from bert_jax.runs.conversion import convert
from bert_jax.training.state import flatten


@pytest.fixture
def folder(publish, tmp_path):
    """A Hugging Face folder of a model for pretraining, to be damaged."""
    return publish("hf_pretraining", tmp_path)


@pytest.mark.parametrize(
    "name", ["hf_encoder", "hf_pretraining", "hf_sequence", "hf_token", "hf_question"]
)
def test_out_of_ours_comes_what_went_in(name, publish, tmp_path):
    published, ours, back = publish(name, tmp_path), tmp_path / "ours", tmp_path / "back"
    convert(published, ours, to="bert_jax")
    convert(ours, back, to="huggingface")
    before, after = read_tensors(published)[0], read_tensors(back)[0]
    assert after.keys() == before.keys()
    for tensor, values in after.items():
        np.testing.assert_array_equal(values, before[tensor])
    loaded, again = bert_jax.load(ours), bert_jax.load(back)
    assert loaded.config == again.config and loaded.labels == again.labels
    assert loaded.tokenizer.fingerprint == again.tokenizer.fingerprint


def test_what_the_checkpoint_lacks_is_not_made_up(folder, tmp_path):
    tensors = read_tensors(folder)[0]
    kept = {name: a for name, a in tensors.items() if "pooler" not in name and "seq_" not in name}
    write_safetensors(folder / "model.safetensors", kept)
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["BertForMaskedLM"]
    (folder / "config.json").write_text(json.dumps(config))
    table = convert(folder, tmp_path / "out", to="huggingface")
    assert "next_sentence/dense/kernel" in table and "newly initialised" in table
    assert not any("seq_relationship" in name for name in read_tensors(tmp_path / "out")[0])
    assert "next_sentence/dense/kernel" in bert_jax.load(folder).newly_initialized


def test_position_embeddings_are_cut_by_request(folder, tmp_path):
    whole = bert_jax.load(folder)
    assert whole.config.max_position_embeddings > 4
    table = convert(folder, tmp_path / "out", to="bert_jax", positions=4)
    assert f"4 of {whole.config.max_position_embeddings} rows" in table
    cut = bert_jax.load(tmp_path / "out")
    path = "bert/embeddings/position/embedding"
    np.testing.assert_array_equal(flatten(cut.params)[path], flatten(whole.params)[path][:4])


def test_shards_and_an_index_are_read_like_one_file(folder):
    tensors = read_tensors(folder)[0]
    expected = flatten(bert_jax.load(folder).params)
    names = sorted(tensors)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for shard, members in shards.items():
        write_safetensors(folder / shard, {name: tensors[name] for name in members})
    index = {"weight_map": {n: shard for shard, members in shards.items() for n in members}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    found = flatten(bert_jax.load(folder).params)
    for path, values in expected.items():
        np.testing.assert_array_equal(found[path], values)


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-40])


def lie(folder):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(struct.pack("<Q", 2**40) + data[8:])


def poison(folder):
    import os
    import pickle

    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {folder / 'canary'}",)

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Payload()}))


def resize(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"intermediate_size": 99}))


def forget_vocabulary(folder):
    (folder / "vocab.txt").unlink()


def grow_vocabulary(folder):
    with open(folder / "vocab.txt", "a") as file:
        file.writelines(f"more{i}\n" for i in range(200))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "model.safetensors"),
        (lie, "model.safetensors"),
        (poison, "nothing was run"),
        (resize, "99"),
        (forget_vocabulary, "no vocabulary"),
        (grow_vocabulary, "do not belong together"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json"),
    ],
)
def test_a_bad_folder_is_one_line_and_leaves_nothing(folder, tmp_path, damage, message):
    damage(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        convert(folder, tmp_path / "out", to="bert_jax")
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"published"}
    assert not (folder / "canary").exists()


def test_a_folder_that_is_there_is_not_touched(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("mine")
    with pytest.raises(ConfigError, match="there already"):
        convert(folder, tmp_path / "out", to="huggingface")
    assert (tmp_path / "out" / "file").read_text() == "mine"


def test_no_model_names_what_is_wanted(tmp_path):
    with pytest.raises(CheckpointError, match=r"no model here; wants a run's folder"):
        convert(tmp_path, tmp_path / "out", to="bert_jax")
