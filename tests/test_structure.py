"""The house keeps its order: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bert_jax"
FILES = sorted(PACKAGE.rglob("*.py"))
ENTRIES = [path for path in FILES if '__name__ == "__main__"' in path.read_text()]

# Rooms, and the rooms below them that each may use. Whatever is not named here is an entry;
# "__init__" is the package's front, what others import.
MAY_USE = {
    "errors": set(),
    "disk": {"errors"},
    "whole": {"disk"},
    "seals": {"whole"},
    "heap": set(),
    "process": {"heap"},
    "processor": {"errors"},
    "cli": {"errors", "disk", "processor"},
    "data": {"errors", "disk", "whole", "seals"},
    "model": {"errors", "processor"},
    "objectives": {"errors", "model"},
    "report": {"errors", "whole", "tasks"},
    "training": {"errors", "heap", "disk", "whole", "seals", "objectives", "model", "data"},
    "interop": {"errors", "whole", "model", "data"},
    "tasks": {"errors", "data"},
    "probes": {"errors", "data", "tasks", "training"},
    "runs": {
        "probes",
        "errors",
        "whole",
        "cli",
        "interop",
        "tasks",
        "objectives",
        "model",
        "data",
        "training",
        "report",
        "__init__",
    },
    "planning": {"errors", "objectives", "model", "data", "training", "runs"},
    "prediction": {
        "errors",
        "heap",
        "whole",
        "tasks",
        "objectives",
        "model",
        "data",
        "runs",
        "report",
        "__init__",
    },
    "sweeps": {"errors", "whole", "cli", "report", "training"},
    "__init__": {"runs", "model", "data"},
}
JAX = {"jax", "jaxlib", "flax", "optax", "orbax", "jaxtyping"}
NOT_IN = {
    "data": JAX | {"tensorflow"},
    "report": JAX | {"tensorflow"},
    "errors": JAX,
    "disk": JAX,
    "whole": JAX,
    "seals": JAX,
    "heap": JAX,
    "process": JAX,
    "processor": JAX,
    "cli": JAX,
    "model": {"tensorflow", "ml_collections", "absl"},
    "objectives": {"tensorflow", "flax", "ml_collections", "absl"},
    "training": {"tensorflow", "flax", "ml_collections", "absl"},
    "interop": JAX | {"tensorflow", "torch"},
    "tasks": JAX | {"tensorflow"},
    "probes": {"tensorflow", "flax", "ml_collections", "absl"},
    "prediction": {"tensorflow", "flax", "ml_collections", "absl"},
    "runs": {"tensorflow", "flax", "ml_collections", "absl"},
    "planning": {"tensorflow", "flax", "ml_collections", "absl"},
    "sweeps": JAX | {"tensorflow", "ml_collections", "absl"},
    "__init__": JAX | {"tensorflow"},
}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules_imported(path):
    """Every module that a file imports, at its top or inside a function, by its full name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name(path):
    return str(path.relative_to(PACKAGE))


IN_ROOMS = [path for path in FILES if room_of(path) in MAY_USE]


def test_every_file_stands_in_a_room_or_is_an_entry():
    assert set(FILES) == set(IN_ROOMS) | set(ENTRIES)


@pytest.mark.parametrize("path", IN_ROOMS, ids=name)
def test_imports_run_downward(path):
    room = room_of(path)
    names = {m.split(".")[1] for m in modules_imported(path) if m.startswith("bert_jax.")}
    rooms = {room_of(path) for path in FILES}
    assert {name if name in rooms else "__init__" for name in names} <= MAY_USE[room] | {room}


@pytest.mark.parametrize("path", IN_ROOMS, ids=name)
def test_a_room_keeps_out_the_libraries_that_are_not_its_own(path):
    libraries = {m.split(".")[0] for m in modules_imported(path)}
    assert not libraries & NOT_IN[room_of(path)]


def test_only_the_model_imports_flax():
    using = {
        room_of(p) for p in FILES if any(m.split(".")[0] == "flax" for m in modules_imported(p))
    }
    assert using == {"model"}


def test_nothing_imports_an_entry():
    entries = {".".join(p.relative_to(ROOT).with_suffix("").parts) for p in ENTRIES}
    for path in FILES:
        for module in modules_imported(path):
            assert not any(f"{module}.".startswith(f"{entry}.") for entry in entries), path


@pytest.mark.parametrize("path", ENTRIES, ids=name)
def test_entries_are_thin(path):
    assert len(path.read_text().splitlines()) < 100
