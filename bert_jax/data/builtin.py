"""The built-in corpus: the documentation of the Python installation, always there, no download."""

import importlib.metadata
import importlib.util
import os
import platform
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from bert_jax.data.docstrings import docstrings, paragraphs
from bert_jax.data.documents import Document, Map
from bert_jax.data.lines import ReadReport

# What this project depends on, itself and through others: a package that is not there is left out.
PACKAGES = (
    *("absl", "chex", "einops", "etils", "flax", "fsspec", "google", "huggingface_hub", "jax"),
    *("jaxlib", "jaxtyping", "matplotlib", "ml_collections", "ml_dtypes", "numpy", "opt_einsum"),
    *("optax", "orbax", "PIL", "pyarrow", "requests", "rich", "scipy", "sentencepiece", "sklearn"),
    *("tensorboardX", "tensorflow_datasets", "tensorstore", "tokenizers", "tqdm", "treescope"),
    *("urllib3", "yaml"),
)
_LEFT_OUT = {"test", "tests", "testing", "_tests", "site-packages", "idlelib", "lib2to3"}
_FILES_A_TASK = 40
_SHORTEST = 200  # characters of a document; less has no two sentences to compare


class BuiltinCorpus:
    """One document for each topic of Python's own help and for each module."""

    def __init__(self):
        self._files = _find_modules()
        self._documents: list[Document] | None = None
        self.identity: tuple[str, int] = (f"builtin: {_versions(self._files)}", 0)
        self.stored_bytes = sum(size for _, _, size in self._files)
        self.likely_text_bytes = self.stored_bytes  # the reading is the work here

    def documents(self, report: ReadReport, apply: Map) -> Iterator[Document]:
        """Yield the documents; the first pass reads the files, a later one remembers."""
        if self._documents is not None:
            report.position += self.stored_bytes
            documents, kept = iter(self._documents), None
        else:
            documents, kept = self._read(report, apply), []
        for document in documents:
            report.text_bytes += len(document.text.encode())
            if kept is not None:
                kept.append(document)
            yield document
        if kept is not None:
            self._documents = kept

    def _read(self, report: ReadReport, apply: Map) -> Iterator[Document]:
        """Extract the documents, in other processes if there are any."""
        tasks = [
            self._files[i : i + _FILES_A_TASK] for i in range(0, len(self._files), _FILES_A_TASK)
        ]
        yield from _as_documents(_topics())
        paths = ([path for _, path, _ in task] for task in tasks)
        for task, texts in zip(tasks, apply(_extract, paths), strict=True):
            report.position += sum(size for _, _, size in task)
            names = [name for name, _, _ in task]
            yield from _as_documents(zip(names, texts, strict=True))


def _as_documents(named_texts: Iterable[tuple[str, str]]) -> Iterator[Document]:
    for name, text in named_texts:
        if len(text) >= _SHORTEST:
            yield Document(text, f"builtin:{name}")


def _topics() -> Iterator[tuple[str, str]]:
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions leave it out
        return
    for name, text in sorted(topics.items()):
        yield f"topic {name}", "\n".join(paragraphs(text))


def _extract(paths: list[str]) -> list[str]:
    """Return the documentation of each file, a paragraph a line."""
    texts = []
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            source = file.read()
        texts.append("\n".join(p for text in docstrings(source) for p in paragraphs(text)))
    return texts


def _find_modules() -> list[tuple[str, str, int]]:
    """Return names, paths and sizes of all modules, in an order that is always the same."""
    roots = [("", Path(sysconfig.get_paths()["stdlib"]))]
    for package in sorted(PACKAGES, key=str.lower):
        spec = importlib.util.find_spec(package)
        roots += [
            (package, Path(place))
            for place in sorted((spec.submodule_search_locations or []) if spec else [])
        ]
    modules = []
    for prefix, root in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(
                name for name in folders if name not in _LEFT_OUT and name.isidentifier()
            )
            parts = [prefix, *Path(folder).relative_to(root).parts]
            for file in sorted(files):
                if file.endswith(".py"):
                    path = os.path.join(folder, file)
                    name = ".".join(part for part in [*parts, file[:-3]] if part)
                    modules.append((name, path, os.path.getsize(path)))
    return modules


def _versions(modules: list[tuple[str, str, int]]) -> str:
    """Return the versions of everything that the text comes from."""
    versions = [f"python {platform.python_version()}"]
    distributions = importlib.metadata.packages_distributions()
    for package in sorted(PACKAGES, key=str.lower):
        for name in sorted(set(distributions.get(package, []))):
            versions.append(f"{name} {importlib.metadata.version(name)}")
    return ", ".join(versions) + f"; {len(modules)} modules, {sum(m[2] for m in modules)} bytes"
