"""A disk that is full: said at once, by what was written, with what stood there before."""

import asyncio
import errno
import logging
import os
import subprocess
import threading
import time

import pytest

from bert_jax.errors import DiskError
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.records import Records
from experiments.faults import artefacts, full_disk

pytestmark = pytest.mark.processes


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("a small file system is mounted by root alone")
    try:
        with full_disk.small_disk(tmp_path / "disk") as folder:
            yield folder
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no tmpfs can be mounted here: {error.stderr}")


@pytest.mark.parametrize("room", [0, 8, 16])
def test_the_save_says_so_and_the_one_before_stays(disk, room, capfd):
    checkpoints = Checkpoints(disk / "checkpoints", keep=1)
    checkpoints.save(artefacts.make_state(5), {})
    full_disk.fill(disk / "ballast", 1 << 30)
    with open(disk / "ballast", "r+b") as file:
        file.truncate((disk / "ballast").stat().st_size - (room << 12))
    with pytest.raises(DiskError, match="00000010: could not be saved .No space left") as caught:
        checkpoints.save(artefacts.make_state(10), {})
    assert "\n" not in str(caught.value) and "Traceback" not in capfd.readouterr().err
    assert [path.name for path in checkpoints.directory.iterdir()] == ["00000005"]
    state, _ = checkpoints.restore(artefacts.like(artefacts.make_state(0)))
    assert int(state.step) == 5
    (disk / "ballast").unlink()
    checkpoints.save(artefacts.make_state(10), {})
    assert checkpoints.steps() == [10]


def test_what_is_written_after_the_save_has_failed_goes_too(tmp_path, monkeypatch):
    threads, heard = [], []
    loop = asyncio.new_event_loop()
    loop.close()

    class Report:
        def __del__(self):  # raises where nobody can catch it, as TensorStore's reports do
            loop.call_soon_threadsafe(print)

    def write_arrays(folder, state):
        def late():  # as TensorStore's and Orbax's threads do
            time.sleep(0.4)
            (folder / "state.orbax-checkpoint-tmp").mkdir(parents=True)
            heard.append(not logging.getLogger("absl").disabled)  # a page of the thread's own
            Report()

        threads.append(threading.Thread(target=late))
        threads[0].start()
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr("bert_jax.training.checkpoints.write_arrays", write_arrays)
    monkeypatch.setattr("bert_jax.training.checkpoints._SETTLED", 0.8)
    with pytest.raises(DiskError, match="could not be saved .No space left"):
        Checkpoints(tmp_path, keep=1).save(artefacts.make_state(5), {})
    assert not threads[0].is_alive() and not list(tmp_path.iterdir())
    assert heard == [False]


def test_logs_say_so_and_nobody_waits(disk):
    records = Records(disk, 0)
    records.metrics(1, "train", {"loss": 1.0})
    full_disk.fill(disk / "ballast", 1 << 30)
    with pytest.raises(DiskError, match="No space left"):
        for step in range(2, 2_000):
            records.metrics(step, "train", {"loss": 1.0})
            records.sync()
    with pytest.raises(DiskError, match="tensorboard: No space left"):
        for _ in range(1_000):
            records._board.write(2, {"loss": 1.0})
            records._board.flush()
    (disk / "ballast").unlink()
    records.close()
