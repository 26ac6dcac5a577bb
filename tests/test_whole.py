"""Files and folders that are whole or not there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bert_jax import whole
from bert_jax.whole import whole_file, whole_folder, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"ä": 1})
    with pytest.raises(TypeError):
        write_json(path, {"x": object()})
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "x" * 10**5 + "\ud800")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert json.loads(path.read_text(encoding="utf-8")) == {"ä": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_appears_when_all_is_written(tmp_path):
    path = tmp_path / "file"
    with whole_file(path) as file:
        file.write(b"all")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"all"


def test_a_folder_appears_when_all_is_in_it_in_the_place_of_an_empty_one(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    with whole_folder(path) as partial:
        (partial / "file").write_text("x")
        assert not any(path.iterdir())
    assert (path / "file").read_text() == "x"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("occupied", [False, True])
def test_a_failed_folder_leaves_nothing_and_one_with_files_is_not_replaced(tmp_path, occupied):
    path = tmp_path / "folder"
    if occupied:
        path.mkdir()
        (path / "mine").write_text("mine")
    with pytest.raises(OSError if occupied else ZeroDivisionError), whole_folder(path) as partial:
        (partial / "file").write_text("x")
        if not occupied:
            raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == ([path] if occupied else [])
    assert not occupied or [file.name for file in path.iterdir()] == ["mine"]


KILLED = """
import os, signal, sys
from pathlib import Path
from bert_jax.whole import whole_file, whole_folder
with whole_folder(Path(sys.argv[1]) / "folder") as folder, whole_file(folder.parent / "file"):
    (folder / "half").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path):
    """A folder in which a process was killed while it wrote a folder and a file."""
    root = Path(whole.__file__).parents[1]
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=root)
    assert len(list(tmp_path.iterdir())) == 2
    return tmp_path


def test_what_a_killed_process_left_goes_when_the_same_is_written_again(killed):
    write_text(killed / "file", "whole")
    with whole_folder(killed / "folder"):
        pass
    assert {path.name for path in killed.iterdir()} == {"file", "folder"}


def test_what_is_another_s_stays(killed, monkeypatch):
    left = {path.name for path in killed.iterdir()}
    write_text(killed / "fil", "another name")
    write_text(killed / "?ile", "no pattern")
    with monkeypatch.context() as patch:
        patch.setattr(whole, "_place", lambda: "elsewhere")
        write_text(killed / "file", "another machine")
    parent = killed / f".living.{whole._place()}.{os.getppid()}.partial"
    parent.write_text("being written")
    write_text(killed / "living", "another process, which lives")
    assert {path.name for path in killed.iterdir()} == {
        *left, "fil", "?ile", "file", "living", parent.name
    }  # fmt: skip


@pytest.mark.parametrize("number", [os.getpid(), 2**80], ids=["ours", "impossible"])
def test_a_number_used_again_or_impossible_is_in_nobody_s_way(tmp_path, number):
    """In a container a process may well have the number of the one before it."""
    (tmp_path / f".folder.{whole._place()}.{number}.partial").mkdir()
    with whole_folder(tmp_path / "folder"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_link_among_the_leftovers_is_not_followed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("x")
    (tmp_path / f".file.{whole._place()}.{2**80}.partial").symlink_to(tmp_path / "mine")
    write_text(tmp_path / "file", "x")
    assert {path.name for path in tmp_path.rglob("*")} == {"mine", "thesis", "file"}
