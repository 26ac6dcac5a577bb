"""A sweep file's generator is read to its end; what is wrong with it is one line with its place."""

import pytest

from bert_jax.errors import ConfigError
from bert_jax.sweeps.sweep_file import read_sweep_file


def write(tmp_path, text):
    path = tmp_path / "my_sweep.py"
    path.write_text(text)
    return path


def test_what_it_yields_is_read_as_a_flag_has_it(tmp_path):
    path = write(
        tmp_path,
        "RATES = (1e-4, 3e-4)\n"
        "COMMON = {'scan_layers': True, 'data.labels': ('a',)}\n"
        "def sweep():\n"
        "    for rate in RATES:\n"
        "        yield {'optimizer.learning_rate': rate, **COMMON}\n"
        "    yield {'seed': 3}\n",
    )
    common = {"scan_layers": "True", "data.labels": "('a',)"}
    assert read_sweep_file(path) == [
        {"optimizer.learning_rate": "0.0001", **common},
        {"optimizer.learning_rate": "0.0003", **common},
        {"seed": "3"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def sweep(:\n", ", line 1: SyntaxError"),
        ("import math\nx = math.nothing\n", ", line 2: AttributeError: module 'math' has no"),
        ("import not_there_at_all\n", ", line 1: ModuleNotFoundError"),
        ("def sweep():\n    yield {'seed': 0}\n    yield {'seed': 1 / 0}\n", ", line 3: ZeroDivis"),
        (
            "def sweep():\n    raise ValueError('one\\ntwo')\n    yield\n",
            ", line 2: ValueError: one two",
        ),
        ("def sweeps():\n    yield {}\n", ": has no function `sweep`; wants def sweep(): yield"),
        ("sweep = 3\n", ": has no function `sweep`"),
        ("def sweep():\n    return 3\n", ": sweep() gave 3; wants"),
        ("def sweep():\n    yield from ()\n", ": sweep() yields no run"),
        ("def sweep():\n    while True:\n        yield {'a': 0}\n", "yields more than 1,000 runs"),
        ("def sweep():\n    yield {'a': 0}\n    yield 'b'\n", ": run 2 is 'b'; wants fields and"),
        ("def sweep():\n    yield {}\n", ": run 1 is {}; wants fields and values"),
        ("def sweep():\n    yield {0: 1}\n", ": run 1: 0 is no name of a field"),
        ("def sweep():\n    yield {'a': None}\n", ": run 1: a=None is no value that a flag could"),
        ("def sweep():\n    yield {'a': sweep}\n", "is no value that a flag could have"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        read_sweep_file(write(tmp_path, text))
    error = str(caught.value)
    assert error.startswith(f"--sweep={tmp_path / 'my_sweep.py'}") and message in error
    assert "\n" not in error


def test_a_file_that_is_not_there_or_no_python_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file here"):
        read_sweep_file(tmp_path / "none.py")
    (tmp_path / "sweep.txt").write_text("def sweep(): yield {'a': 0}\n")
    with pytest.raises(ConfigError, match="its name wants to end in .py"):
        read_sweep_file(tmp_path / "sweep.txt")
