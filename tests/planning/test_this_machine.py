"""The devices of this machine, tried out."""

import jax
import pytest

from bert_jax.planning import this_machine
from bert_jax.planning.this_machine import free_memory, here


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(this_machine, "_SIDE", 64)
    monkeypatch.setattr(this_machine, "_VECTOR", 1024)


def test_simulated_devices_share_what_the_machine_does(quick, monkeypatch):
    times = iter([1e-3, 1e-4])  # a product, a copy
    monkeypatch.setattr(this_machine, "_seconds", lambda work: (work(), next(times))[1])
    monkeypatch.setattr(this_machine, "free_memory", lambda: 8_000_000_000)
    target = here("cpu:8", "float32")
    chip = target.chip
    assert target.devices == jax.devices() and target.platform == "cpu"
    assert chip.flops == pytest.approx(2 * 64**3 / 1e-3 / 8)
    assert chip.bandwidth == pytest.approx(2 * 4 * 1024 / 1e-4 / 8)
    assert chip.memory * chip.usable == 1_000_000_000
    assert "tried out here in float32" in chip.source and "8 devices share" in target.notes[0]


def test_free_memory_is_within_what_the_machine_has(monkeypatch, tmp_path):
    assert 2**20 < free_memory() < 2**50
    limit = tmp_path / "memory.max"
    limit.write_text("1048576\n")
    monkeypatch.setattr(this_machine, "_CGROUP", limit)
    assert free_memory() == 2**20
    limit.write_text("max\n")
    assert free_memory() > 2**20
