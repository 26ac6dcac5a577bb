"""What was once saved stays, what was half-written goes, and nobody begins anew unawares."""

import os
import shutil

import pytest

from bert_jax import seals
from bert_jax.data.shards import open_corpus
from bert_jax.disk import naming, refusal
from bert_jax.errors import ConfigError, DataError, DiskError
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.records import Records
from bert_jax.training.workdir import locked
from experiments.faults import artefacts

LIKE = artefacts.like(artefacts.make_state(0))


@pytest.fixture(scope="module")
def two_saved(tmp_path_factory):
    return artefacts.make_checkpoints(tmp_path_factory.mktemp("checkpoints") / "c").directory


@pytest.fixture
def copied(two_saved, tmp_path):
    return shutil.copytree(two_saved, tmp_path / "c")


def damage(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"float32"', '"float16"', 1))


@pytest.mark.parametrize("keep", [1, 2])
def test_a_save_behind_a_damaged_checkpoint_outlives_it(copied, keep):
    damage(copied / "00000010")
    checkpoints = Checkpoints(copied, keep)
    checkpoints.save(artefacts.make_state(7), {})
    assert checkpoints.steps() == [5, 7][-keep:]
    state, _ = checkpoints.restore(LIKE)
    assert int(state.step) == 7


@pytest.mark.parametrize("keep", [0, -1])
def test_to_keep_no_checkpoint_is_refused(tmp_path, keep):
    with pytest.raises(ConfigError, match=f"keep_checkpoints={keep}: wants 1 or more"):
        Checkpoints(tmp_path, keep)


def test_a_changed_shape_in_a_manifest_is_damage_and_not_another_model(copied):
    damage(copied / "00000010")
    with pytest.warns(UserWarning, match="00000010/manifest.json: its sha256 is not the one"):
        state, _ = Checkpoints(copied, 2).restore(LIKE)
    assert int(state.step) == 5


def test_a_manifest_without_its_seal_is_noticed(copied):
    (copied / "00000010" / "manifest.json.sha256").unlink()
    with pytest.warns(UserWarning, match="its sha256 is not the one beside it"):
        Checkpoints(copied, 2).restore(LIKE)


def test_a_checkpoint_under_another_step_s_name_is_noticed(copied):
    (copied / "00000010").rename(copied / "00000011")
    with pytest.warns(UserWarning, match="it is of step 10"):
        Checkpoints(copied, 2).restore(LIKE)


def test_a_checkpoint_from_before_there_were_seals_is_read(copied):
    for folder in copied.iterdir():
        path = folder / "manifest.json"
        path.write_text(path.read_text().replace('  "sealed": true,\n', ""))
        seals.seal_of(path).unlink()
    state, _ = Checkpoints(copied, 2).restore(LIKE)
    assert int(state.step) == 10


@pytest.mark.parametrize("name", ["²", "10", "+0000011", "0000000a"])
def test_what_is_not_named_like_a_step_is_none(copied, name):
    (copied / name).mkdir()
    (copied / "00000012").write_text("a file")
    assert Checkpoints(copied, 2).steps() == [5, 10]


@pytest.mark.parametrize("name", ["params", "extra.json"])
def test_a_link_in_a_checkpoint_is_refused(copied, tmp_path, name):
    newest = copied / "00000010"
    shutil.move(newest / name, tmp_path / "elsewhere")
    (newest / name).symlink_to(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="passing over a damaged checkpoint"):
        state, _ = Checkpoints(copied, 2).restore(LIKE)
    assert int(state.step) == 5


def test_a_start_without_a_checkpoint_says_what_it_drops(tmp_path):
    records = Records(tmp_path, 0)
    records.metrics(40, "train", {"loss": 1.0})
    records.close()
    with pytest.warns(UserWarning, match="no checkpoint; .* logged up to step 40 is dropped"):
        Records(tmp_path, 0).close()
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_a_run_that_goes_on_from_a_checkpoint_says_nothing_of_it(tmp_path):
    records = Records(tmp_path, 0)
    for step in (40, 50):
        records.metrics(step, "train", {"loss": 1.0})
    records.close()
    Records(tmp_path, 40).close()  # warnings are errors here


def test_two_starts_within_a_second_have_two_files_of_events(tmp_path, monkeypatch):
    for number in (1, 2):
        monkeypatch.setattr(os, "getpid", lambda number=number: number)
        Records(tmp_path, 0).close()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2


def test_tensorboard_reads_what_was_written(tmp_path):
    from tensorboardX.record_writer import masked_crc32c
    from tensorboardX.writer import Event

    records = Records(tmp_path, 4)
    records.metrics(5, "train", {"loss": 0.5, "rate": 2.0})
    records.close()
    (path,) = (tmp_path / "tensorboard").iterdir()
    data, events = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:8], "little")
        assert int.from_bytes(data[8:12], "little") == masked_crc32c(data[:8])
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    version, start, values = events
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (5, 1)
    assert values.step == 5
    found = {value.tag: value.simple_value for value in values.summary.value}
    assert found == {"train/loss": 0.5, "train/rate": 2.0}


def test_half_written_files_go_when_the_folder_is_taken(tmp_path):
    for name in (".run.json.123.partial", ".metrics.jsonl.7.partial"):
        (tmp_path / name).write_text("{")
    (tmp_path / "mine.partial").write_text("x")
    with locked(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {"lock", "mine.partial"}


def test_a_name_too_long_for_a_folder_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="File name too long"), locked(tmp_path / ("x" * 300)):
        pass


def test_a_lock_that_is_a_folder_is_a_config_error(tmp_path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"), locked(tmp_path):
        pass


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "Kein Platz", "file"), "No space left on device"),
        (ValueError("RESOURCE_EXHAUSTED: No space left on device [28]"), "No space left on device"),
        (OSError(13, "Permission denied"), None),
        (ValueError("else"), None),
    ],
)
def test_a_refusal_is_told_from_other_errors(error, reason, tmp_path):
    assert refusal(error) == reason
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = error
    assert refusal(wrapped) == reason
    wanted = DiskError if reason and isinstance(error, OSError) else type(error)
    with pytest.raises(wanted), naming(tmp_path):
        raise error


def test_a_corpus_whose_counts_changed_is_noticed(tmp_path):
    corpus = artefacts.make_corpus(tmp_path / "corpus")
    path = corpus / "manifest.json"
    text = path.read_text()
    changed = text.replace('"most_frequent_token": ', '"most_frequent_token": 1', 1)
    assert changed != text
    path.write_text(changed)
    with pytest.raises(DataError, match="manifest.json: its sha256 differs"):
        open_corpus(corpus)


@pytest.mark.parametrize(("field", "value"), [("tokens", 10**15), ("sentences", -7)])
def test_an_array_of_another_length_than_the_manifest_says_is_refused(tmp_path, field, value):
    corpus = artefacts.make_corpus(tmp_path / "corpus")
    shard = open_corpus(corpus).splits["train"].shards[0]
    shard._lengths[field] = value
    with pytest.raises(DataError, match=r"holds uint\d+\[\d+\], the manifest says"):
        _ = shard.tokens, shard.sentence_offsets
