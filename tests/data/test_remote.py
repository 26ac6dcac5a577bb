"""Text and prepared corpora at URLs; fsspec's file system in memory stands for a bucket."""

import gzip
import json
import sys
import uuid
from types import SimpleNamespace

import fsspec
import pytest

from bert_jax import cli
from bert_jax.data.preparation import PrepareConfig, prepare
from bert_jax.data.remote import find_remote, is_remote
from bert_jax.data.remote_corpus import fetch_corpus, prepare_to
from bert_jax.data.shards import open_corpus
from bert_jax.errors import ConfigError, DataError
from bert_jax.runs.pretraining import open_or_prepare
from configs import prepare as defaults

MEMORY = fsspec.filesystem("memory")


def config_of(text, **changes):
    config = defaults.get_config()
    config.tokenizer.vocab_size = 80
    fields = config.to_dict() | {"input": str(text)} | changes
    del fields["output"], fields["workers"]
    return cli.build(PrepareConfig, fields, "config")


def files_of(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """The same files on a file system, and at a URL."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "sub").mkdir()
    for name, count in (("b.jsonl", 9), ("a.jsonl.gz", 5), ("sub/c.jsonl", 4), (".hidden", 1)):
        lines = [json.dumps({"text": f"Document {i} of {name}. It is here."}) for i in range(count)]
        data = "\n".join(lines).encode()
        (folder / name).write_bytes(gzip.compress(data, mtime=0) if "gz" in name else data)
        MEMORY.pipe_file(f"/texts/{name}", (folder / name).read_bytes())
    return folder


@pytest.fixture
def bucket():
    """A URL where nothing is."""
    name = uuid.uuid4().hex
    yield f"memory://{name}"
    for path in MEMORY.find(f"/{name}"):
        MEMORY.rm_file(path)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Where copies are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bert_jax" / "corpora"


def test_what_is_a_url():
    assert is_remote("gs://bucket/a") and is_remote("s3://b/*.gz") and is_remote("memory://x")
    assert not any(map(is_remote, ["tfds:c4/en:train", "builtin", "/a/b", "a:b//c", "C:\\x"]))


def test_patterns(texts):
    def names(pattern):
        return [file.url.removeprefix("memory:///texts/") for file in find_remote(pattern)]

    assert names("memory://texts/*.jsonl") == ["b.jsonl"]
    assert names("memory://texts/**/*.jsonl*") == ["a.jsonl.gz", "b.jsonl", "sub/c.jsonl"]
    assert names("memory://texts") == ["a.jsonl.gz", "b.jsonl", "sub/c.jsonl"]
    (file,) = find_remote("memory://texts/sub/c.jsonl")
    assert file.stat().st_size == file.size == (texts / "sub" / "c.jsonl").stat().st_size
    for nothing in ("memory://texts/x", "memory://texts/*.txt"):
        with pytest.raises(DataError, match="no file there"):
            find_remote(nothing)


def test_text_at_a_url_is_the_text(texts, tmp_path):
    prepare(config_of(texts), tmp_path / "a", progress=False)
    prepare(config_of("memory://texts/*.jsonl*,memory://texts/sub"), tmp_path / "b", progress=False)
    here, there = files_of(tmp_path / "a"), files_of(tmp_path / "b")
    arrays = [name for name in here if name.endswith(".npy")]
    assert len(arrays) == 6 and here.keys() == there.keys()
    assert all(here[name] == there[name] for name in arrays)


def test_a_corpus_is_stored_with_its_manifest_last_and_fetched_once(
    texts, tmp_path, bucket, cache, monkeypatch, capsys
):
    url, order, got = f"{bucket}/corpora/wiki/", [], []
    kept = type(MEMORY).put_file
    monkeypatch.setattr(
        type(MEMORY), "put_file", lambda s, a, b, **k: (order.append(b), kept(s, a, b, **k))
    )
    fetch = type(MEMORY).get_file
    monkeypatch.setattr(
        type(MEMORY), "get_file", lambda s, a, b, **k: (got.append(a), fetch(s, a, b, **k))
    )
    assert fetch_corpus(url) is None
    prepare_to(config_of(texts), url, progress=False)
    assert len(order) > 8 and order[-1].endswith("/corpora/wiki/manifest.json")
    copy = fetch_corpus(url)
    prepare(config_of(texts), tmp_path / "here", progress=False)
    assert files_of(copy) == files_of(tmp_path / "here")
    assert copy.parent == cache and len(got) == len(order) - 1  # the manifest was read already
    assert fetch_corpus(url) == copy and len(got) == len(order) - 1
    # What a run is given as its data.
    config = SimpleNamespace(data=SimpleNamespace(path=url), prepare={})
    fingerprint = open_corpus(copy).fingerprint
    assert open_or_prepare(config, tmp_path / "run").fingerprint == fingerprint
    # Once more: nothing is written over.
    capsys.readouterr()
    prepare_to(config_of(texts), url)
    assert "already prepared" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="holds another corpus: seed 0, asked 1"):
        prepare_to(config_of(texts, seed=1), url, progress=False)


def edited(url, change):
    manifest = json.loads(MEMORY.cat_file(f"{url}/manifest.json"))
    change(manifest)
    MEMORY.pipe_file(f"{url}/manifest.json", json.dumps(manifest).encode())


DAMAGES = {
    "train-00000.tokens.npy: its sha256 differs": lambda url: MEMORY.pipe_file(
        f"{url}/train-00000.tokens.npy",
        MEMORY.cat_file(f"{url}/train-00000.tokens.npy")[:-1] + b"x",
    ),
    "train-00000.tokens.npy: 1 bytes, wants": lambda url: MEMORY.pipe_file(
        f"{url}/train-00000.tokens.npy", b"x"
    ),
    "train-00000.tokens.npy: cannot be reached": lambda url: MEMORY.rm_file(
        f"{url}/train-00000.tokens.npy"
    ),
    "which leaves the folder": lambda url: edited(
        url, lambda m: m["files"].update({"../../x": {"sha256": "", "bytes": 1}})
    ),
    "manifest.json: not a JSON object": lambda url: MEMORY.pipe_file(f"{url}/manifest.json", b"["),
    "names no files": lambda url: edited(url, lambda m: m.pop("files")),
    "manifest.json: its sha256 differs": lambda url: edited(url, lambda m: m.update(more=1)),
}


@pytest.fixture(scope="module")
def prepared(texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "out"
    prepare(config_of(texts), out, progress=False)
    return files_of(out)


@pytest.mark.parametrize("message", DAMAGES)
def test_what_arrives_damaged_is_one_line_and_not_kept(
    prepared, bucket, cache, message, monkeypatch
):
    for name, data in prepared.items():
        MEMORY.pipe_file(f"{bucket}/{name}", data)
    DAMAGES[message](bucket)
    written = []
    fetch = type(MEMORY).get_file
    monkeypatch.setattr(
        type(MEMORY), "get_file", lambda s, a, b, **k: (written.append(b), fetch(s, a, b, **k))
    )
    with pytest.raises(DataError) as caught:
        fetch_corpus(bucket)
    said = str(caught.value)
    assert message in said and said.startswith(bucket) and "\n" not in said
    assert not cache.exists() or list(cache.iterdir()) == []
    assert not any(".." in name for name in written)
    if "bytes" in message:  # seen before it is fetched
        assert not any(name.endswith("train-00000.tokens.npy") for name in written)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    for package, url in (("gcsfs", "gs://bucket/a.txt"), ("s3fs", "s3://bucket/a.txt")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(DataError, match=f"pip install {package}$") as caught:
            prepare(config_of(url), tmp_path / "out", progress=False)
        assert caught.value.exit_code == 3
    with pytest.raises(DataError, match="nowhere://a: cannot be reached .*nowhere"):
        fetch_corpus("nowhere://a")


def test_what_breaks_while_text_is_read_is_one_line(texts, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("token\nexpired")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.read", fail, raising=False)
    with pytest.raises(DataError, match=r"a.jsonl.gz: cannot be read \(token expired\)"):
        prepare(config_of("memory://texts"), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
