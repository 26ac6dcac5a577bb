"""One process in a folder."""

import pytest

from bert_jax.errors import ConfigError, WorkdirInUse
from bert_jax.training.workdir import locked


def test_a_second_lock_is_refused_and_names_the_holder(tmp_path):
    import os

    with locked(tmp_path / "run"):
        with pytest.raises(WorkdirInUse, match=f"in use by process {os.getpid()};") as caught:
            with locked(tmp_path / "run"):
                pass
    assert caught.value.exit_code == 7


def test_a_lock_goes_when_its_holder_is_done(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_a_refused_lock_leaves_the_first_one_in_force(tmp_path):
    with locked(tmp_path):
        for _ in range(2):
            with pytest.raises(WorkdirInUse), locked(tmp_path):
                pass


@pytest.mark.parametrize("below", ["", "deeper/down"])
def test_a_file_in_the_place_of_the_folder_is_a_config_error(tmp_path, below):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="a file in its place"), locked(tmp_path / "file" / below):
        pass
