"""What devices can do."""

import pytest

from bert_jax.training.chips import CHIPS, GIB, chip_of


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("TPU v5 lite", "v5e"),
        ("TPU v5", "v5p"),
        ("TPU v5p", "v5p"),
        ("TPU v6 lite", "v6e"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
    ],
)
def test_a_chip_is_found_by_what_jax_calls_it(kind, name):
    assert chip_of(kind).name == name


@pytest.mark.parametrize("kind", ["cpu", "NVIDIA GeForce RTX 4090", "TPU"])
def test_others_are_not_known(kind):
    assert chip_of(kind) is None


def test_figures_are_in_units_of_one():
    for chip in CHIPS:
        assert 1e14 < chip.flops < 1e15 and chip.flops >= chip.flops_float32
        assert 15 * GIB < chip.memory < 150 * GIB and 5e11 < chip.bandwidth < 5e12
        assert 1e9 < chip.network < chip.link / 4 and chip.link < chip.bandwidth
