import dataclasses
import json
import random

import numpy as np
import pytest

from bert_jax.data import holdout, preparation
from bert_jax.data.corpus_statistics import LineCounter
from bert_jax.data.preparation import PrepareConfig, TokenizerConfig, prepare
from bert_jax.data.sampling import sample_text
from bert_jax.data.shards import open_corpus
from bert_jax.data.tokenizers import load_tokenizer, train_tokenizer
from bert_jax.errors import ConfigError, DataError, DiskError

TOKENIZER = TokenizerConfig(
    path="",
    kind="wordpiece",
    vocab_size=200,
    lower_case=None,
    model_type="unigram",
    training_megabytes=1.0,
    alphabet_share=0.75,
)
CONFIG = PrepareConfig(
    input="",
    format="auto",
    text_field="text",
    document_separator="auto",
    language="auto",
    tokenizer=TOKENIZER,
    validation_share=0.1,
    seed=0,
    shard_tokens=400,
    max_sentence_characters=100,
    max_document_characters=2_000,
)


def write_jsonl(path, count=60, seed=0):
    rng = random.Random(seed)
    words = ["alpha", "beta", "gamma", "delta", "omega", "今天", "running", "[MASK]", "café"]
    with path.open("w") as file:
        for _ in range(count):
            sentences = [
                " ".join(rng.choices(words, k=rng.randrange(3, 9))).capitalize() + "."
                for _ in range(rng.randrange(1, 7))
            ]
            file.write(json.dumps({"text": "\n".join([" ".join(sentences[:3]), *sentences[3:]])}))
            file.write("\n")
    return path


def with_input(path, **changes):
    return dataclasses.replace(CONFIG, input=str(path), **changes)


def files_of(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


@pytest.fixture
def text(tmp_path):
    return write_jsonl(tmp_path / "text.jsonl")


def test_the_number_of_workers_does_not_change_a_byte(tmp_path, text, monkeypatch):
    monkeypatch.setattr(preparation, "_SMALL", 0)
    monkeypatch.setattr("bert_jax.data.encoding._GROUP_CHARACTERS", 300)
    folders = []
    for workers in (1, 2, 3):
        prepare(with_input(text), tmp_path / str(workers), workers=workers, progress=False)
        folders.append(files_of(tmp_path / str(workers)))
    assert folders[0] == folders[1] == folders[2]
    assert sum(name.endswith("tokens.npy") for name in folders[0]) > 3


def test_the_size_of_groups_does_not_change_a_byte(tmp_path, text, monkeypatch):
    prepare(with_input(text), tmp_path / "a", progress=False)
    monkeypatch.setattr("bert_jax.data.encoding._GROUP_CHARACTERS", 1)
    prepare(with_input(text), tmp_path / "b", progress=False)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_every_sentence_is_there_once(tmp_path, text):
    corpus = prepare(with_input(text, validation_share=0.05), tmp_path / "out", progress=False)
    tokenizer = load_tokenizer(corpus.tokenizer_path)
    assert tokenizer.fingerprint == corpus.tokenizer_fingerprint
    found = []
    for split in corpus.splits.values():
        for shard in split.shards:
            s, d = shard.sentence_offsets, shard.document_offsets
            for a, b in zip(d, d[1:], strict=False):
                found.append(
                    "|".join(tokenizer.decode(shard.tokens[s[i] : s[i + 1]]) for i in range(a, b))
                )
    expected = []
    for line in text.read_text().splitlines():
        sentences = json.loads(line)["text"].replace(".\n", ". ").removesuffix(".").split(". ")
        ids = tokenizer.encode_batch([sentence + "." for sentence in sentences])
        expected.append("|".join(tokenizer.decode(row) for row in ids))
    assert sorted(found) == sorted(expected)
    assert [corpus.splits[name].documents for name in ("train", "validation")] == [57, 3]


def test_statistics_add_up(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [
        {"text": "One sentence. Two of them."},
        {"text": "   "},
        {"text": "\u200b"},
        {"text": "A line twice.\nA line twice."},
        {"text": "word " * 50},
        {"text": "Some words. " * 200},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\nbroken\n")
    corpus = prepare(with_input(path), tmp_path / "out", progress=False)
    s = corpus.statistics
    assert s["documents_read"] == s["documents"] + s["documents_skipped"]
    assert {k: (v["count"], v["first"]) for k, v in s["skipped"].items()} == {
        "not JSON": (1, f"{path}:7"),
        "no text": (1, f"{path}:2"),
        "no tokens": (1, f"{path}:3"),
    }
    assert s["changed"]["documents cut"]["count"] == 1
    assert s["changed"]["sentences cut"]["count"] == 1
    assert s["duplicate_lines"] == 1
    assert sum(s["sentence_lengths"]["count"]) == s["sentences"]
    assert sum(s["document_lengths"]["count"]) == s["documents"]
    assert s["sentences"] == sum(split.sentences for split in corpus.splits.values())
    assert s["unknown_share"] == 0
    assert s["timing"]["seconds"] > 0


def test_a_literal_mask_stays_text(tmp_path, text):
    corpus = prepare(with_input(text), tmp_path / "out", progress=False)
    tokenizer = load_tokenizer(corpus.tokenizer_path)
    specials = set(tokenizer.special_ids) - {tokenizer.unk_id}
    for split in corpus.splits.values():
        for shard in split.shards:
            assert not specials & set(np.unique(shard.tokens).tolist())


def test_a_prepared_folder_is_used_again_or_refused(tmp_path, text, capsys):
    out = tmp_path / "out"
    first = prepare(with_input(text), out)
    before = files_of(out)
    capsys.readouterr()
    assert prepare(with_input(text), out, workers=2).fingerprint == first.fingerprint
    assert "already prepared" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="holds another corpus: seed 0, asked 1"):
        prepare(with_input(text, seed=1), out)
    write_jsonl(text, 61)
    with pytest.raises(ConfigError, match="holds another corpus"):
        prepare(with_input(text), out)
    assert files_of(out) == before


def test_files_of_the_user_are_never_touched(tmp_path, text):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(DataError, match="no prepared corpus"):
        prepare(with_input(text), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").exists()
    with pytest.raises(DataError, match="is a file"):
        prepare(with_input(text), text)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "empty file: 1"), ("\n\n", "no text in the file"), ('{"text": ""}\n', "no text: 1")],
)
def test_no_text_at_all_is_an_error_and_leaves_nothing(tmp_path, content, message):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        prepare(with_input(path), tmp_path / "out", progress=False)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_nothing(tmp_path, text, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr("bert_jax.data.shard_writer.ShardWriter._write", full)
    with pytest.raises(DiskError, match="No space left"):
        prepare(with_input(text), tmp_path / "out", progress=False)
    assert list(tmp_path.iterdir()) == [text]


def test_one_document_is_prepared_with_a_warning(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Only one document. It has two sentences.")
    corpus = prepare(with_input(path), tmp_path / "out", progress=False)
    assert list(corpus.splits) == ["train"]
    assert any("one document" in warning for warning in corpus.statistics["warnings"])


def test_a_blank_line_after_every_sentence_is_noticed(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(f"This is sentence {i}." for i in range(20)))
    corpus = prepare(with_input(path), tmp_path / "out", progress=False)
    assert any("blank line after every" in warning for warning in corpus.statistics["warnings"])


def test_a_given_vocabulary_is_used_and_kept(tmp_path, text):
    given = train_tokenizer("sentencepiece", iter(text.read_text().splitlines()), 60, False)
    given.save(tmp_path / "given")
    settings = dataclasses.replace(TOKENIZER, path=str(tmp_path / "given" / "tokenizer.model"))
    corpus = prepare(with_input(text, tokenizer=settings), tmp_path / "out", progress=False)
    assert corpus.tokenizer_fingerprint == given.fingerprint
    assert corpus.manifest["tokenizer"]["kind"] == "sentencepiece"
    assert open_corpus(tmp_path / "out").fingerprint == corpus.fingerprint


@pytest.mark.parametrize("documents", [0, 1, 3, 4, 5, 49, 150])
def test_small_corpora_hold_out_an_exact_count(documents):
    chosen = holdout.choose_first(documents, 0.02, 7)
    expected = 0 if documents < 4 else min(max(2, round(0.02 * documents)), documents - 2)
    assert chosen.sum() == expected
    assert (chosen == holdout.choose_first(documents, 0.02, 7)).all()
    assert not holdout.choose_first(documents, 0.0, 7).any()


def test_large_corpora_hold_out_by_a_hash():
    ordinals = np.arange(200_000)
    chosen = holdout.choose_later(ordinals, 0.02, 7)
    assert abs(chosen.mean() - 0.02) < 4 * (0.02 * 0.98 / 200_000) ** 0.5
    assert (chosen[500:600] == holdout.choose_later(ordinals[500:600], 0.02, 7)).all()
    assert (chosen != holdout.choose_later(ordinals, 0.02, 8)).any()
    assert not holdout.choose_later(ordinals, 0.0, 7).any()


def test_split_of_a_corpus_larger_than_the_first_block(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", 300)
    corpus = prepare(with_input(path), tmp_path / "out", progress=False)
    train, validation = (corpus.splits[name].documents for name in ("train", "validation"))
    assert train + validation == 300
    assert 10 < validation < 60


def test_samples_are_even_and_bounded():
    texts = [f"{i:06d} " * 10 for i in range(5_000)]
    sample = sample_text(iter(texts), 20_000)
    assert 15_000 < sum(map(len, sample)) <= 21_000
    positions = np.array([int(piece[:6]) for piece in sample])
    assert np.abs(np.diff(positions) - 5_000 / len(sample)).max() < 2 * 5_000 / len(sample)
    assert sample_text(iter(texts[:5]), 20_000) == texts[:5]
    long = " ".join(texts)
    assert "".join(sample_text(iter([long]), 10**9)) == long


def test_duplicates_are_counted():
    counter = LineCounter()
    hashes = np.random.default_rng(0).integers(0, 2**63, 20_000, dtype=np.uint64)
    counter.add(hashes)
    counter.add(hashes[:300])
    counter.add(np.array([5, 5, 5], np.uint64))
    assert counter.lines == 20_303
    assert 302 <= counter.duplicates <= 304


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation_share": 0.9}, "validation_share: 0.9"),
        ({"seed": -1}, "seed: -1"),
        ({"shard_tokens": 0}, "shard_tokens: 0"),
    ],
)
def test_impossible_values_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, **change)


def test_a_negative_number_of_workers_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="workers"):
        prepare(CONFIG, tmp_path / "out", workers=-1)
