"""The lock file: exact versions within setup.py's ranges, each with the sums of its files."""

import ast
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def asked():
    """What setup.py asks for, its tests included."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (call,) = (
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.keywords) > 5
    )
    values = {keyword.arg: keyword.value for keyword in call.keywords}
    extras = ast.literal_eval(values["extras_require"])
    texts = [*ast.literal_eval(values["install_requires"]), *extras["test"]]
    return [Requirement(text) for text in texts]


@pytest.fixture(scope="module")
def locked():
    """(requirement, sums) of each entry of the lock."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    entries = "\n".join(lines).replace("\\\n", " ").splitlines()
    parts = [entry.split("--hash=sha256:") for entry in entries]
    return [(Requirement(first), [s.strip() for s in sums]) for first, *sums in parts]


def versions(locked, name, python, system="linux"):
    place = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
    }
    return [
        str(requirement.specifier).removeprefix("==")
        for requirement, _ in locked
        if canonicalize_name(requirement.name) == canonicalize_name(name)
        and (requirement.marker is None or requirement.marker.evaluate(place))
    ]


@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_asked_for_is_locked_once_and_within_its_range(asked, locked, python):
    assert len(asked) > 20
    for requirement in asked:
        (version,) = versions(locked, requirement.name, python)
        assert requirement.specifier.contains(version), f"{requirement}: locked {version}"


def test_every_entry_is_one_exact_version_with_its_sums(locked):
    assert len(locked) > 50
    for requirement, sums in locked:
        (specifier,) = requirement.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, requirement
        assert requirement.url is None and sums, requirement
        assert all(re.fullmatch("[0-9a-f]{64}", one) for one in sums), requirement


def test_it_names_no_place_to_fetch_from_and_no_torch(locked):
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|^-", text, re.MULTILINE)
    names = {canonicalize_name(requirement.name) for requirement, _ in locked}
    assert not names & {"torch", "tensorflow", "transformers"}
