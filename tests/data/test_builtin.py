import os

from bert_jax.data import builtin, prose
from bert_jax.data.lines import ReadReport

SOURCE = '''
# A comment.
"""The first line of a module is here.

Usage::

    code that is = left out

.. note:: This is a note that stays.

>>> doctest(left, out)
3

========  =====
A table   here
========  =====
"""
x = """Not a docstring, this string is some data."""

def f(a, b):
    r"""Computes the `sum` of **two** numbers, see :func:`numpy.add` for more.

    It goes on over
    two lines here.

    Args:
      a: The first number that will be added to
        the second one here.
      b (int): Something with a description that is long.

    Parameters
    ----------
    axis : int, optional
        The axis along which everything is summed up.
    """

class C:
    """short."""
'''


def test_prose_is_kept_and_code_is_not():
    found = [p for text in prose.docstrings(SOURCE) for p in prose.paragraphs(text)]
    assert found == [
        "The first line of a module is here.",
        "Computes the sum of two numbers, see add for more.",
        "It goes on over two lines here.",
        "a: The first number that will be added to the second one here.",
        "b (int): Something with a description that is long.",
        "The axis along which everything is summed up.",
    ]


def test_one_package_is_read_once_and_the_same(monkeypatch, tmp_path):
    package = tmp_path / "some_package"
    (package / "tests").mkdir(parents=True)
    sentence = "Number {} of many sentences that are written in this file. "
    for name in ("b", "a", "tests/t"):
        text = "\n\n".join(sentence.format(f"{name} {i}") for i in range(9))
        shared = "This paragraph is the same one in all of the files."
        (package / f"{name}.py").write_text(f'"""{text}\n\n{shared}\n"""\n')
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
    assert [d.text.count("the same one") for d in ours] == [1, 0]
    assert any(d.place == "builtin:topic while" or "topic" in d.place for d in documents)


def test_modules_are_found_in_order_without_tests():
    modules = builtin._find_modules()
    names = [name for name, _, _ in modules]
    assert len(names) > 1_000
    assert {"argparse", "numpy._core.fromnumeric"} <= set(names)
    assert not any(".tests." in name or name.startswith("test.") for name in names)
    assert modules == builtin._find_modules()
