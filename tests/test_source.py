"""The source keeps out what would let data run code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    path
    for folder in ("bert_jax", "configs", "experiments")
    for path in (ROOT / folder).rglob("*.py")
) + [ROOT / "setup.py"]

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "xml"}
BUILTINS = {"eval", "exec", "compile", "__import__", "input"}
# Calls by the end of their name; what they may not have, by keyword.
CALLS = {"os.system", "popen", "yaml.load", "yaml.unsafe_load", "torch.load", "extractall"}
KEYWORDS = {"shell": True, "allow_pickle": True, "trust_remote_code": True, "weights_only": False}


def find_dangers(source):
    """Name every line that could run what it reads, as (line, what)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        yield from ((node.lineno, name) for name in names if name.split(".")[0] in MODULES)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in BUILTINS or any(f".{called}".endswith(f".{call}") for call in CALLS):
            yield node.lineno, called
        for keyword in node.keywords:
            value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if keyword.arg in KEYWORDS and value is KEYWORDS[keyword.arg]:
                yield node.lineno, f"{called}({keyword.arg}={value})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_what_it_reads(path):
    assert list(find_dangers(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from xml.etree import ElementTree",
        "def f():\n    import marshal",
        "eval('1')",
        "x = __import__('os')",
        "os.system('ls')",
        "import os as o\no.popen('ls')",
        "yaml.load(text)",
        "archive.extractall(folder)",
        "subprocess.run('ls', shell=True)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
    ],
)
def test_what_is_kept_out_is_found(source):
    assert len(list(find_dangers(source))) == 1


def test_what_only_looks_like_it_is_left_alone():
    source = (
        "re.compile('x')\nnp.load(path, allow_pickle=False)\nmodel.eval()\nyaml.safe_load(text)"
    )
    assert list(find_dangers(source)) == []
