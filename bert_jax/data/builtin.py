"""The built-in corpus: the prose of the Python installation, always there, no download."""

import importlib.metadata
import importlib.util
import os
import platform
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from bert_jax.data import prose
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
        """Extract paragraphs, in other processes if there are any, and drop repeated ones."""
        seen: set[str] = set()
        tasks = [
            self._files[i : i + _FILES_A_TASK] for i in range(0, len(self._files), _FILES_A_TASK)
        ]
        yield from _as_documents(_topics(), seen)
        paths = ([path for _, path, _ in task] for task in tasks)
        for task, found in zip(tasks, apply(_extract, paths), strict=True):
            report.position += sum(size for _, _, size in task)
            named = [(name, lines) for (name, _, _), lines in zip(task, found, strict=True)]
            yield from _as_documents(named, seen)


def _as_documents(named: list[tuple[str, list[str]]], seen: set[str]) -> Iterator[Document]:
    for name, lines in named:
        new = []
        for line in lines:
            if line not in seen:
                seen.add(line)
                new.append(line)
        text = "\n".join(new)
        if len(text) >= _SHORTEST:
            yield Document(text, f"builtin:{name}")


def _topics() -> list[tuple[str, list[str]]]:
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions leave it out
        return []
    return [
        (f"topic {name}", list(prose.paragraphs(text))) for name, text in sorted(topics.items())
    ]


def _extract(paths: list[str]) -> list[list[str]]:
    """Return the paragraphs of each file."""
    found = []
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            source = file.read()
        found.append([p for text in prose.docstrings(source) for p in prose.paragraphs(text)])
    return found


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
