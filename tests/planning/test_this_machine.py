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
    monkeypatch.setattr(this_machine, "free_memory", lambda: 8_100_000_000)
    target = here("cpu:8", "float32")
    chip = target.chip
    assert target.devices == jax.devices() and target.platform == "cpu"
    assert chip.flops == pytest.approx(2 * 64**3 / 1e-3 / 8)
    assert chip.bandwidth == pytest.approx(2 * 4 * 1024 / 1e-4 / 8)
    assert chip.memory * chip.usable == 1_000_000_000
    assert "tried out here in float32" in chip.source and "8 devices share" in target.notes[0]


def test_free_memory_is_within_what_the_machine_has():
    assert 2**20 < free_memory() < 2**50


@pytest.mark.parametrize(
    ("groups", "limits", "free"),
    [
        ("0::/", {"memory.max": "3145728\n"}, 2 * 2**20),
        ("0::/", {"memory.max": "max\n"}, 5 * 2**20),
        ("0::/", {"memory.max": "1\n"}, 0),
        ("0::/job/step", {"job/memory.max": "2097152\n", "job/step/memory.max": "max"}, 2**20),
        ("0::/job\n4:cpu,memory:/job", {"memory/job/memory.limit_in_bytes": "2097152"}, 2**20),
        ("4:memory:/docker/1", {"memory/memory.limit_in_bytes": "2097152"}, 2**20),
        ("4:cpu:/job", {"memory/job/memory.limit_in_bytes": "2097152"}, 5 * 2**20),
    ],
)
def test_limits_of_control_groups_count_what_the_process_holds(
    groups, limits, free, monkeypatch, tmp_path
):
    for file, text in {
        "proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 5120 kB\n",
        "proc/self/status": "Name: python\nVmRSS: 1024 kB\n",
        "proc/self/cgroup": groups,
    }.items() | {f"cgroups/{name}": limit for name, limit in limits.items()}.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(this_machine, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(this_machine, "_CGROUPS", tmp_path / "cgroups")
    assert free_memory() == free
