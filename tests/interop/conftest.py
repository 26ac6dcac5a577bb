"""What tests of published checkpoints share."""

import json
from pathlib import Path

import pytest

from bert_jax.interop.tensors import read_tensors, write_safetensors

GOLDENS = Path(__file__).parent / "goldens"


@pytest.fixture
def rewritten(tmp_path):
    """A function that copies a golden with other tensors or another config."""

    def make(name, tensors=None, config=None, drop=()):
        values = json.loads((GOLDENS / name / "config.json").read_text()) | (config or {})
        values = {key: value for key, value in values.items() if key not in drop}
        (tmp_path / "config.json").write_text(json.dumps(values))
        old = read_tensors(GOLDENS / name)[0]
        write_safetensors(tmp_path / "model.safetensors", tensors(old) if tensors else old)
        return tmp_path

    return make
