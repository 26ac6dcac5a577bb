import os

from bert_jax.data import builtin
from bert_jax.data.docstrings import docstrings, paragraphs
from bert_jax.data.lines import ReadReport

SOURCE = '''
# A comment.
"""The first line
of a module.

Parameters
----------
x : int
    A number.
=====
"""
x = """Not a docstring."""

def f(a, b):
    r"""Computes a sum.

    >>> f(1, 2)
    3
    """

add_newdoc("f",
    """
    Added by a call.
    """)
'''


def test_docstrings_become_paragraphs():
    found = [p for text in docstrings(SOURCE) for p in paragraphs(text)]
    assert found == [
        "The first line of a module.",
        "Parameters x : int A number.",
        "Computes a sum.",
        ">>> f(1, 2) 3",
        "Added by a call.",
    ]


def test_one_package_is_read_once_and_the_same(monkeypatch, tmp_path):
    package = tmp_path / "some_package"
    (package / "tests").mkdir(parents=True)
    sentence = "Number {} of many sentences that are written in this file. "
    for name in ("b", "a", "tests/t"):
        text = "\n\n".join(sentence.format(f"{name} {i}") for i in range(9))
        (package / f"{name}.py").write_text(f'"""{text}\n"""\n')
    files = {name: package / f"{name}.py" for name in ("a", "b")}
    modules = [(f"some_package.{n}", str(f), os.path.getsize(f)) for n, f in files.items()]
    monkeypatch.setattr(builtin, "_find_modules", lambda: modules)
    corpus = builtin.BuiltinCorpus()
    first, second = ReadReport(), ReadReport()
    documents = list(corpus.documents(first, map))
    assert list(corpus.documents(second, map)) == documents
    assert first == second and first.position == corpus.stored_bytes
    ours = [d for d in documents if "some_package" in d.place]
    assert [d.place for d in ours] == ["builtin:some_package.a", "builtin:some_package.b"]
    assert [d.text.splitlines()[8] for d in ours] == [
        "Number a 8 of many sentences that are written in this file.",
        "Number b 8 of many sentences that are written in this file.",
    ]
    assert any(d.place == "builtin:topic while" for d in documents)


def test_modules_are_found_in_order_without_tests():
    modules = builtin._find_modules()
    names = [name for name, _, _ in modules]
    assert len(names) > 1_000
    assert {"argparse", "numpy._core.fromnumeric"} <= set(names)
    assert not any(".tests." in name or name.startswith("test.") for name in names)
    assert modules == builtin._find_modules()
