"""Preparation on several hosts: the bytes of one host, in whatever order the work is done."""

import dataclasses
import errno
import gzip
import json
import random
import sys

import numpy as np
import pytest

from bert_jax.data.beam import beam_run
from bert_jax.data.corpus_statistics import Statistics
from bert_jax.data.preparation import PrepareConfig, TokenizerConfig, prepare
from bert_jax.data.sampling import choose_pieces, cut_pieces, sample_text
from bert_jax.data.shard_plan import ShardPlanner
from bert_jax.data.shard_writer import ShardWriter
from bert_jax.data.splitting import Extents
from bert_jax.data.workspace import Workspace, carry_out
from bert_jax.errors import ConfigError, DataError, DiskError

CONFIG = PrepareConfig(
    input="",
    format="auto",
    text_field="text",
    document_separator="auto",
    language="auto",
    tokenizer=TokenizerConfig(
        path="",
        kind="wordpiece",
        vocab_size=150,
        lower_case=None,
        model_type="unigram",
        training_megabytes=0.004,  # less than the text has
        alphabet_share=0.75,
    ),
    validation_share=0.1,
    seed=0,
    shard_tokens=400,
    max_sentence_characters=100,
    max_document_characters=2_000,
)
DIRT = ["broken", '{"text": "  "}', '{"text": "\\u200b"}', '{"text": "bell \\u0007 rings. Yes."}']


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Files of which several make a lot, and one makes more shards than one; some with dirt."""
    draw = random.Random(1)
    words = ["alpha", "beta", "gamma", "delta", "omega", "今天", "running", "[MASK]", "café"]
    folder = tmp_path_factory.mktemp("texts")
    for number, documents in enumerate([30, 2, 1, 0, 120, 5, 60]):
        lines = [DIRT[number]] if number < len(DIRT) else []
        for _ in range(documents):
            sentences = [
                " ".join(draw.choices(words, k=draw.randrange(3, 9))).capitalize() + "."
                for _ in range(draw.randrange(1, 7))
            ]
            lines.append(json.dumps({"text": "\n".join([" ".join(sentences[:3]), *sentences[3:]])}))
        lines += ['{"text": "A line twice."}', json.dumps({"text": "word " * 500})]
        draw.shuffle(lines)
        data = "\n".join(lines).encode()
        name = folder / f"{number}.jsonl"
        if number % 2:
            name.with_suffix(".jsonl.gz").write_bytes(gzip.compress(data, mtime=0))
        else:
            name.write_bytes(data)
    (folder / "empty.jsonl").write_bytes(b"")
    return folder


@pytest.fixture(scope="module", autouse=True)
def small():
    """Lots, groups and pieces of a size that makes several of each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bert_jax.data.documents._LOT_BYTES", 12_000)
        patch.setattr("bert_jax.data.encoding._GROUP_CHARACTERS", 3_000)
        patch.setattr("bert_jax.data.sampling._PIECE", 100)
        yield


def files_of(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


def config_of(texts, **changes):
    return dataclasses.replace(CONFIG, input=str(texts), **changes)


@pytest.fixture(scope="module")
def on_one_host(texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "out"
    prepare(config_of(texts), out, progress=False)
    return files_of(out)


def in_disorder(kind, works):
    """Do the last piece first and some of them twice, as a runner may."""
    for work in [*reversed(works), *works[::2]]:
        carry_out(work)


def test_several_hosts_write_the_bytes_of_one(texts, on_one_host, tmp_path):
    done = {}

    def run(kind, works):
        done[kind] = len(works)
        in_disorder(kind, works)

    corpus = prepare(config_of(texts), tmp_path / "out", progress=False, run=run)
    assert files_of(tmp_path / "out") == on_one_host
    assert done["measure"] == done["encode"] > 2 and done["pick"] > 1 and done["assemble"] > 4
    assert {len(split.shards) > 1 for split in corpus.splits.values()} == {True}
    # What the comparison stands on: there was something of each kind to be counted.
    statistics = corpus.statistics
    assert set(statistics["skipped"]) == {"not JSON", "no text", "no tokens"}
    assert set(statistics["skipped_files"]) == {"empty file"}
    assert {"control characters removed", "documents cut"} <= set(statistics["changed"])
    assert statistics["duplicate_lines"] > 5 and corpus.splits["validation"].documents > 4


def test_beam_writes_the_bytes_of_one_host(texts, on_one_host, tmp_path):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed: an extra")
    # The one that works in this process, so that it has lots of the same size.
    runner = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
    run = beam_run([f"--runner={runner}"])
    prepare(config_of(texts), tmp_path / "out", progress=False, run=run)
    assert files_of(tmp_path / "out") == on_one_host


def test_without_beam_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ConfigError, match=r"--runner=beam: .*pip install 'bert_jax\[beam\]'"):
        beam_run([])


def test_an_option_of_beam_with_an_impossible_value_is_one_line():
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed: an extra")
    with pytest.raises(ConfigError, match="after --.*invalid int value: 'two'$"):
        beam_run(["--direct_num_workers=two"])


def test_an_error_in_a_file_is_that_of_one_host(texts, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for path in texts.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "5.jsonl.gz").write_bytes((folder / "5.jsonl.gz").read_bytes()[:-9])
    (folder / "6.jsonl").write_bytes(b"x\n" * 2_000)
    said = []
    for run in (None, in_disorder):
        with pytest.raises(DataError) as caught:
            prepare(config_of(folder), tmp_path / "out", progress=False, run=run)
        said.append(str(caught.value))
    assert said[0] == said[1] and "5.jsonl.gz: a damaged gzip" in said[0]
    assert [path.name for path in tmp_path.iterdir()] == ["texts"]


def test_a_full_disk_on_a_worker_is_named(texts, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    def run(kind, works):
        try:
            in_disorder(kind, works)
        except OSError:
            pytest.fail("a runner would wrap it in an error of its own")

    monkeypatch.setattr("bert_jax.data.lots.encode_group", full)
    with pytest.raises(DiskError, match="x: No space left on device; nothing was kept"):
        prepare(config_of(texts), tmp_path / "out", progress=False, run=run)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_workers_do_not_share_is_noticed(texts, tmp_path):
    with pytest.raises(DataError, match="on a file system that all workers share"):
        prepare(config_of(texts), tmp_path / "out", progress=False, run=lambda kind, works: None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tfds:imdb_reviews", "tfds is read on one host"),
        ("a.txt", r"relative.*as in /.*/a.txt"),
    ],
)
def test_what_workers_cannot_find_is_refused(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("One sentence. Two of them.")
    with pytest.raises(ConfigError, match=message):
        prepare(config_of(text), tmp_path / "out", progress=False, run=in_disorder)


@pytest.mark.parametrize("most", [1, 50, 700, 3_000, 10**6])
def test_the_sample_is_that_of_a_stream(most):
    draw = random.Random(most)
    lots = [
        ["".join(draw.choices("ab \n", k=draw.randrange(1, 300))) for _ in range(count)]
        for count in (7, 0, 1, 40, 23, 64)
    ]
    pieces = [list(cut_pieces(lot)) for lot in lots]
    sizes = [np.array([len(piece) for piece in part], np.uint32) for part in pieces]
    chosen = choose_pieces(lambda: iter(sizes), most)
    picked = [part[i] for part, numbers in zip(pieces, chosen, strict=True) for i in numbers]
    assert picked == sample_text((text for lot in lots for text in lot), most)


def test_of_two_tries_at_once_the_first_one_s_result_stays(tmp_path):
    workspace = Workspace.create(tmp_path)
    with workspace.new("lots/1") as slow:
        (slow / "x").write_text("slow")
        with workspace.new("lots/1") as fast:
            (fast / "x").write_text("fast")
    assert (workspace.find("lots/1") / "x").read_text() == "fast"
    assert [path.name for path in workspace.find("lots").iterdir()] == ["1"]
    workspace.root.joinpath("lots").rename(tmp_path / "gone")
    workspace.root.rmdir()
    with pytest.raises(FileNotFoundError), workspace.new("lots/2"):  # of a run that has ended
        pass


@pytest.mark.parametrize(("documents", "expected"), [(4, [2, 2]), (5, [2, 3]), (1, [1]), (0, [])])
def test_shards_are_planned_as_they_are_written(tmp_path, documents, expected):
    planner = ShardPlanner(Workspace.create(tmp_path), "train", 20, "uint16")
    writer = ShardWriter(tmp_path, "train", shard_tokens=20, id_type=np.dtype("u2"))
    starts = 10 * np.arange(documents + 1)
    for i in range(documents):  # a sentence of ten tokens each
        planner.add(i // 3, i % 3, Extents(np.array([i % 3, i % 3 + 1]), starts[i : i + 2]))
        writer.add(np.zeros(10, np.uint16), np.array([10]), np.array([1]))
    planned = []
    for work in planner.finish():
        (file,) = work.workspace.find(work.plan).iterdir()
        pieces = np.load(file)
        planned.append(int((pieces[:, 2] - pieces[:, 1]).sum()))
        assert (np.diff(pieces[:, 5:7])[:, 0] == 10 * np.diff(pieces[:, 1:3])[:, 0]).all()
    assert planned == [shard["documents"] for shard in writer.finish()["shards"]] == expected


def test_the_order_in_which_reasons_are_met_changes_no_byte():
    summaries = []
    for reasons in (["no text", "no tokens"], ["no tokens", "no text"]):
        statistics = Statistics()
        for reason in reasons:
            statistics.report.skip(reason, "a:1")
        summaries.append(json.dumps(statistics.summary({}, 0)))
    assert summaries[0] == summaries[1]
