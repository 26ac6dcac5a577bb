"""What a process settles before it works, such as where programs are kept, and how old it is."""

import os
import subprocess
import sys
import time

import pytest

from bert_jax import process

COMPILE = """
from bert_jax import process
process.keep_compiled_programs()
import jax
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name) if "cache_hits" in name else None)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.jit(lambda x: x * 3 + 1)(1.0)
print(len(hits))
"""  # noqa: E501


def compile_in_a_process(home):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    environment |= {"XDG_CACHE_HOME": str(home), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout), done.stderr


@pytest.fixture
def unsettled(monkeypatch):
    """The environment of a user who has not told JAX where to keep what it compiles."""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
    return monkeypatch


def test_a_second_process_finds_what_the_first_has_compiled(tmp_path):
    assert compile_in_a_process(tmp_path)[0] == 0
    (folder,) = (tmp_path / "bert_jax" / "compiled").iterdir()
    assert list(folder.glob("jit_*"))
    hits, errors = compile_in_a_process(tmp_path)
    assert hits > 0 and errors == ""


def test_a_folder_that_the_user_named_is_kept(unsettled, tmp_path):
    unsettled.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    unsettled.setenv("XDG_CACHE_HOME", str(tmp_path))
    process.keep_compiled_programs()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine" and not list(tmp_path.iterdir())


def test_a_home_that_cannot_be_written_to_is_no_error(unsettled, tmp_path):
    (tmp_path / "file").write_text("")
    unsettled.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    process.keep_compiled_programs()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ


def test_the_oldest_programs_go_when_there_are_too_many(unsettled, tmp_path):
    unsettled.setenv("XDG_CACHE_HOME", str(tmp_path))
    unsettled.setattr(process, "MOST_COMPILED_BYTES", 25)
    folder = tmp_path / "bert_jax" / "compiled" / process._processor()
    folder.mkdir(parents=True)
    for age, name in enumerate(["new", "middle", "old"]):
        (folder / name).write_bytes(b"0123456789")
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))
    process.keep_compiled_programs()
    assert {path.name for path in folder.iterdir()} == {"new", "middle"}
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(folder)


def test_it_is_known_how_long_a_process_has_run():
    before, began = process.seconds_since_start(), time.monotonic()
    time.sleep(0.05)
    passed = time.monotonic() - began
    assert before > 0.2  # pytest alone took longer
    assert process.seconds_since_start() - before == pytest.approx(passed, abs=0.1)
