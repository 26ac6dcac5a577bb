import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[1]


def command(*overrides):
    return [
        *(sys.executable, "-m", "bert_jax.prepare", "--config=configs/prepare.py"),
        *(f"--config.{override}" for override in overrides),
    ]


def run(*overrides):
    return subprocess.run(command(*overrides), cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(f"Document {i} is here. It has two sentences." for i in range(9)))
    return path


def test_prepare_writes_a_folder_and_says_what_is_in_it(tmp_path, text):
    out = tmp_path / "out"
    done = run(f"input={text}", f"output={out}", "tokenizer.vocab_size=100")
    assert done.returncode == 0, done.stderr
    assert "validation" in done.stdout and "--config.format" in done.stdout
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["splits"]["train"]["documents"] == 7
    again = run(f"input={text}", f"output={out}", "tokenizer.vocab_size=100")
    assert again.returncode == 0 and "already prepared" in again.stdout
    other = run(f"input={text}", f"output={out}", "tokenizer.vocab_size=90")
    assert other.returncode == 2 and other.stderr.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("overrides", "code", "message"),
    [
        (["input=nowhere.txt"], 3, "nowhere.txt: no file matches"),
        (["input=TEXT", "tokenizer.kind=bytes"], 2, "tokenizer.kind"),
        (["input=TEXT", "tokenizer.vocabsize=9"], 2, "vocab"),
        (["input=TEXT", "output="], 2, "config.output"),
        (["input=TEXT", "tokenizer.path=absent.txt"], 3, "absent.txt"),
    ],
)
def test_errors_are_one_line_and_a_code(tmp_path, text, overrides, code, message):
    overrides = [override.replace("TEXT", str(text)) for override in overrides]
    done = run(f"output={tmp_path / 'out'}", *overrides)
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.strip().split("\n")
    assert message in line
    assert sorted(tmp_path.iterdir()) == [text]


@pytest.mark.parametrize(
    ("output", "words", "message"),
    [
        ("out", ["--", "--runner=DirectRunner"], "want --runner=beam"),
        ("gs://b/out", ["--runner=beam"], "gs://b/out with --runner=beam; name a folder"),
    ],
)
def test_who_does_the_work_and_where_it_goes_have_to_fit(tmp_path, text, output, words, message):
    overrides = [f"input={text}", f"output={output if '://' in output else tmp_path / output}"]
    done = subprocess.run([*command(*overrides), *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert sorted(tmp_path.iterdir()) == [text]


def write_much(path):
    """Write a text that takes seconds to encode."""
    line = "Some words are written on this line of the file. And a few more of them.\n"
    path.write_text((line * 50 + "\n") * 1_200)


def start_until_it_encodes(partial, *overrides):
    """Start a preparation, and return its process once it has a tokenizer."""
    process = subprocess.Popen(
        command(*overrides),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (partial / "tokenizer").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_nothing_kept(tmp_path, number, code):
    text = tmp_path / "text.txt"
    write_much(text)
    overrides = [f"input={text}", f"output={tmp_path / 'out'}", "tokenizer.vocab_size=100"]
    process = start_until_it_encodes(tmp_path / ".out.partial", *overrides, "workers=2")
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == code
    wanted = f"stopped by {number.name}; nothing was kept, the same command begins anew"
    assert printed.splitlines()[-1] == wanted
    assert list(tmp_path.iterdir()) == [text]


def test_a_killed_run_leaves_nothing_under_the_name_and_can_be_repeated(tmp_path):
    text = tmp_path / "text.txt"
    write_much(text)
    out, partial = tmp_path / "out", tmp_path / ".out.partial"
    overrides = [f"input={text}", f"output={out}", "tokenizer.vocab_size=100", "workers=2"]
    deadline = time.monotonic() + 120
    process = start_until_it_encodes(partial, *overrides)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = children.read_text().split() if children.exists() else []
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert partial.exists() and not out.exists()
    while any(os.path.exists(f"/proc/{worker}") for worker in workers):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.05)
    text.write_text("\n\n".join(f"Document {i} is here." for i in range(9)))
    assert run(*overrides).returncode == 0
    assert not partial.exists() and (out / "manifest.json").exists()
