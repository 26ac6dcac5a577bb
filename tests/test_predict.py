"""The entry: a pipe is answered as it goes, and what is wrong is one line and a code."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import jax
import pytest

from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.interop.published import Published
from bert_jax.model import BertConfig, Execution, initialize, make_model
from bert_jax.runs.models import write_model

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[1]
TOKENIZER = WordPiece((*SPECIAL_TOKENS, "the", "cat", "sat"), lower_case=True)
CONFIG = BertConfig(
    vocab_size=8,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=16,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    module = make_model("pretraining", CONFIG, Execution())
    params = jax.jit(lambda: initialize(module, jax.random.key(0)))()
    published = Published(CONFIG, "pretraining", (), {}, (), None, folder)
    write_model(folder, published, params, TOKENIZER)
    return folder


def command(*flags):
    return [sys.executable, "-m", "bert_jax.predict", *flags]


def test_a_pipe_is_answered_line_by_line_with_nothing_but_json(model):
    process = subprocess.Popen(
        command(f"--model={model}", "--task=fill_mask", "--top_k=2"),
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout and process.stderr
    guard = threading.Timer(60, process.kill)  # a line that is not answered is waited for in vain
    guard.start()
    for text in ("the [MASK] sat", "Ünïcode 猫"):
        process.stdin.write(text + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())  # before the next line is written
        assert answer["text"] == text
        assert [len(mask) for mask in answer["masks"]] == [2] * text.count("[MASK]")
    rest, errors = process.communicate(timeout=60)
    guard.cancel()
    assert process.returncode == 0, errors
    assert rest == "" and errors == "note: without a [MASK]: 1, the first at standard input:2\n"


def test_a_reader_that_leaves_ends_it_quietly(model):
    process = subprocess.Popen(
        command(f"--model={model}", "--task=embed"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.close()
    _, errors = process.communicate("the cat\n" * 5, timeout=60)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--task=embed"], 2, "--model is missing"),
        (["--model=MODEL"], 2, "--task is missing"),
        (["--model=MODEL", "--task=classify"], 2, "it can do fill_mask, next_sentence, embed"),
        (["--model=MODEL", "--task=embed", "--batch_size=x"], 2, "batch_size"),
        (["--model=MODEL", "--task=next_sentence"], 3, "standard input:1: no field 'text_pair'"),
    ],
)
def test_errors_are_one_line_and_a_code(model, flags, code, message):
    flags = [flag.replace("MODEL", str(model)) for flag in flags]
    done = subprocess.run(
        command(*flags), cwd=ROOT, input="the cat\n", capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.strip().split("\n")
    assert line.startswith("error: ") and message in line and done.stdout == ""
