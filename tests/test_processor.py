"""Whether this machine's processor multiplies bfloat16."""

import subprocess
import sys
from pathlib import Path

import pytest

from bert_jax.processor import multiplies_bfloat16


@pytest.fixture
def ask(monkeypatch):
    """A function (text of /proc/cpuinfo, or None where there is no such file) that asks anew."""

    def ask(text):
        def read(path):
            assert path == Path("/proc/cpuinfo")
            if text is None:
                raise FileNotFoundError(path)
            return text

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", read)
            multiplies_bfloat16.cache_clear()
            return multiplies_bfloat16()

    yield ask
    multiplies_bfloat16.cache_clear()


@pytest.mark.parametrize("name", ["amx_bf16", "avx512_bf16"])
def test_instructions_for_bfloat16_are_known_by_name(ask, name):
    assert ask(f"processor\t: 0\nflags\t\t: fpu avx512f {name} amx_tile\nbogomips\t: 1\n")


@pytest.mark.parametrize("text", ["flags\t: fpu avx512f avx2 bf16x\n", "", None])
def test_what_is_not_told_is_not_there(ask, text):
    assert not ask(text)


WORDS = "INTERNAL: Unsupported element type for DotThunk::Execute: BF16 x BF16 = F32"


@pytest.mark.parametrize(("words", "code"), [(WORDS, 2), ("something else", 1)])
def test_an_entry_says_what_to_do_where_xla_refuses_a_product(words, code):
    entry = f"""
from bert_jax import cli

def main(arguments):
    raise RuntimeError({words!r})

cli.run(main, config=False, workdir=False)
"""
    found = subprocess.run([sys.executable, "-c", entry], capture_output=True, text=True)
    assert found.returncode == code
    assert ("set --config.compute_dtype=float32" in found.stderr) == (code == 2)
    assert ("Traceback" in found.stderr) == (code == 1)
