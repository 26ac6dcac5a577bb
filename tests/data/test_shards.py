import json
import math
import tracemalloc

import numpy as np
import pytest

from bert_jax.data.corpus_folder import staged, write_manifest
from bert_jax.data.shard_writer import ShardWriter
from bert_jax.data.shards import open_corpus
from bert_jax.data.tokenizers import train_tokenizer
from bert_jax.errors import DataError, DiskError, WorkdirInUse
from bert_jax.whole import write_json


def write_corpus(directory, documents, shard_tokens=10**6, calls=1):
    """Write documents, given as lists of sentences of ids."""
    tokenizer = train_tokenizer("wordpiece", iter(["some words here"]), 60, True)
    with staged(directory) as partial:
        tokenizer.save(partial / "tokenizer")
        writer = ShardWriter(partial, "train", shard_tokens=shard_tokens, id_type=np.dtype("u2"))
        for part in np.array_split(np.arange(len(documents)), calls):
            chosen = [documents[i] for i in part]
            if chosen:
                sentences = [s for d in chosen for s in d]
                writer.add(
                    np.concatenate(sentences).astype(np.uint16),
                    np.array([len(s) for s in sentences], np.uint32),
                    np.array([len(d) for d in chosen], np.uint32),
                )
        splits = {"train": writer.finish()}
        write_json(partial / "statistics.json", {})
        entry = {"kind": "wordpiece", "vocab_size": 60, "fingerprint": tokenizer.fingerprint}
        write_manifest(partial, tokenizer=entry, source={}, splits=splits)
    return directory


def random_documents(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        [rng.integers(5, 50, rng.integers(1, 9)).tolist() for _ in range(rng.integers(1, 6))]
        for _ in range(count)
    ]


def read_back(corpus):
    found = []
    for shard in corpus.splits["train"].shards:
        s, d = shard.sentence_offsets, shard.document_offsets
        for i in range(len(d) - 1):
            rows = range(d[i], d[i + 1])
            found.append([shard.tokens[s[j] : s[j + 1]].tolist() for j in rows])
    return found


@pytest.mark.parametrize("shard_tokens", [1, 17, 60, 10**6])
@pytest.mark.parametrize("calls", [1, 7, 40])
def test_documents_come_back_as_they_went_in(tmp_path, shard_tokens, calls):
    documents = random_documents(40)
    corpus = open_corpus(write_corpus(tmp_path / "c", documents, shard_tokens, calls))
    assert read_back(corpus) == documents
    shards = corpus.splits["train"].shards
    sizes = [len(shard.document_offsets) - 1 for shard in shards]
    assert min(sizes) >= 2
    for shard, size in zip(shards, sizes, strict=True):
        if shard is shards[-1]:
            continue  # a single document at the end may have joined it
        # Full when its last document ended, and not before that one began.
        begins = shard.sentence_offsets[shard.document_offsets[size - 1]]
        assert begins < shard_tokens or size == 2
        assert len(shard.tokens) >= shard_tokens
    assert corpus.manifest["splits"]["train"]["shards"][0]["name"] == "train-00000"


def test_the_shards_do_not_depend_on_how_documents_arrive(tmp_path):
    documents = random_documents(30)
    manifests = [
        write_corpus(tmp_path / str(n), documents, 40, n).joinpath("manifest.json").read_bytes()
        for n in (1, 4, 30)
    ]
    assert manifests[0] == manifests[1] == manifests[2]


def test_counts_and_entropy(tmp_path):
    corpus = open_corpus(write_corpus(tmp_path / "c", [[[7, 7], [8]], [[9]]]))
    split = corpus.splits["train"]
    assert (split.documents, split.sentences, split.tokens) == (2, 3, 4)
    assert split.unigram_entropy == pytest.approx(1.5 * math.log(2), abs=1e-12)
    assert (split.most_frequent_token, split.most_frequent_token_share) == (7, 0.5)
    assert split.shards[0].tokens.dtype == np.uint16
    assert split.shards[0].sentence_offsets.dtype == np.uint32
    assert len(corpus.fingerprint) == 64


def edit_manifest(directory, change):
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def other_tokenizer(directory):
    edit_manifest(directory, lambda m: m["tokenizer"].update(fingerprint="0" * 64))


DAMAGES = {
    "not a prepared folder": lambda d: (d / "manifest.json").unlink(),
    "manifest.json: unreadable": lambda d: (d / "manifest.json").write_text("{"),
    "manifest.json: not a JSON object": lambda d: (d / "manifest.json").write_text("[]"),
    "format_version is 2": lambda d: edit_manifest(d, lambda m: m.update(format_version=2)),
    "manifest.json: damaged": lambda d: edit_manifest(d, lambda m: m.pop("splits")),
    "train-00000.tokens.npy: missing": lambda d: (d / "train-00000.tokens.npy").unlink(),
    "tokens.npy: its sha256 differs": lambda d: flip(d / "train-00000.tokens.npy"),
    "documents.npy: 3 bytes, wants": lambda d: (d / "train-00000.documents.npy").write_text("abc"),
    "vocab.txt: its sha256 differs": lambda d: flip(d / "tokenizer" / "vocab.txt", 2),
    "prepared with another tokenizer": other_tokenizer,
    "which leaves the folder": lambda d: edit_manifest(
        d, lambda m: m["files"].update({"../x": {"sha256": "", "bytes": 0}})
    ),
    "has no tokens among its files": lambda d: edit_manifest(
        d, lambda m: m["files"].pop("train-00000.tokens.npy")
    ),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_damage_is_one_clear_error(tmp_path, message):
    directory = write_corpus(tmp_path / "c", random_documents(5))
    open_corpus(directory)
    DAMAGES[message](directory)
    with pytest.raises(DataError) as caught:
        open_corpus(directory)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_without_verification_sizes_are_still_checked(tmp_path):
    directory = write_corpus(tmp_path / "c", random_documents(5))
    flip(directory / "train-00000.tokens.npy")
    open_corpus(directory, verify=False)
    (directory / "train-00000.tokens.npy").write_bytes(b"")
    with pytest.raises(DataError, match="0 bytes"):
        open_corpus(directory, verify=False)


def test_nothing_appears_when_it_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "c") as partial:
        (partial / "file").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed(tmp_path):
    left = tmp_path / ".c.partial"
    left.mkdir()
    (left / "old").write_text("x")
    directory = write_corpus(tmp_path / "c", random_documents(3))
    assert not (directory / "old").exists()
    assert list(tmp_path.iterdir()) == [directory]


def test_two_at_once_is_refused(tmp_path):
    with staged(tmp_path / "c") as partial:
        (partial / "mine").write_text("x")
        with pytest.raises(WorkdirInUse), staged(tmp_path / "c"):
            pass
    assert (tmp_path / "c" / "mine").exists()


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(DiskError, match="No space left"), staged(tmp_path / "c"):
        raise OSError(28, "No space left on device", "train-00000.tokens.npy")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskError), staged(tmp_path / "file" / "c"):
        pass


def test_what_stood_beside_the_documents_of_a_split_is_not_kept(tmp_path):
    writer = ShardWriter(tmp_path, "validation", shard_tokens=1_000_000, id_type=np.dtype("u2"))
    tracemalloc.start()
    try:
        for _ in range(20):
            group = np.ones(100_000, np.uint16)
            writer.add(group[:10], np.array([10]), np.array([1]))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 3 * group.nbytes  # the last one is still here
