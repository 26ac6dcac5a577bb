"""The fingerprint of a task's rows: the same for the same, another for anything else."""

import copy

import numpy as np
import pytest

from bert_jax.tasks.examples import Features, fingerprint


def features():
    row = [[2, 7, 8, 3], [2, 9, 3]]
    return {
        "train": Features(
            copy.deepcopy(row), [[0, 0, 1, 1], [0, 0, 0]], np.arange(2),
            {"label": np.array([0, 1]), "tags": [[0, 1], [2]]},
        ),
        "validation": Features([[2, 3]], [[0, 0]], np.arange(1), {"label": np.array([1])}),
    }  # fmt: skip


def move(found):
    """The same numbers, parted otherwise."""
    found["train"].input_ids[:] = [[2, 7, 8], [3, 2, 9, 3]]


CHANGES = {
    "token": lambda f: f["train"].input_ids[1].__setitem__(1, 8),
    "segment": lambda f: f["train"].token_type_ids[0].__setitem__(1, 1),
    "label": lambda f: f["validation"].targets["label"].__setitem__(0, 0),
    "tag": lambda f: f["train"].targets["tags"][1].__setitem__(0, 3),
    "row": lambda f: f["validation"].input_ids.append([2, 3]),
    "split": lambda f: f.pop("validation"),
    "name": lambda f: f.__setitem__("test", f.pop("validation")),
    "parting": move,
}


def test_equal_rows_have_one_fingerprint():
    assert fingerprint(features(), ("a", "b")) == fingerprint(features(), ["a", "b"])


def test_other_classes_have_another():
    assert fingerprint(features(), ("a", "b")) != fingerprint(features(), ("b", "a"))


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_seen(change):
    changed = features()
    CHANGES[change](changed)
    assert fingerprint(changed, ("a", "b")) != fingerprint(features(), ("a", "b"))
