"""Files and folders that are whole or not there."""

import json

import pytest

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
