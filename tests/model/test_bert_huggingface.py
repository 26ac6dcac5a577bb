"""BERT, its gradients and its training against the goldens that `transformers` made.

The goldens are folders that `experiments/parity/huggingface_models.py` wrote; its README has the
command.
"""

from pathlib import Path

import pytest

from experiments.parity.models import BOUNDS, compare, read_case

GOLDENS = sorted(path for path in (Path(__file__).parent / "goldens").iterdir() if path.is_dir())


@pytest.fixture(scope="module", params=GOLDENS, ids=lambda path: path.name)
def differences(request):
    return compare(read_case(request.param))


@pytest.mark.parametrize("quantity", BOUNDS)
def test_it_computes_what_transformers_computes(differences, quantity):
    broken = {k: v for k, v in differences[quantity].items() if not v <= BOUNDS[quantity]}
    assert differences[quantity] and not broken


def test_there_are_goldens():
    assert len(GOLDENS) >= 3
