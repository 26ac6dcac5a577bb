"""Memory that is kept from step to step, and given back when there is more than a step needs."""

import os
import platform
import subprocess
import sys

import pytest

from bert_jax import heap

GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc")

# Fills 96 MB twice, in a thread as XLA does, and tells the page faults of the second time.
FILL = """
import os, resource, threading
from bert_jax import heap
heap.keep_memory()
import numpy as np
faults = []
def fill():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.full(12 << 20, 1.0)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
for _ in range(2):
    thread = threading.Thread(target=fill)
    thread.start()
    thread.join()
print(faults[1], os.environ.get("GLIBC_TUNABLES", ""))
"""

# Holds 64 MB more for a moment, twice, and tells before and after each look how many MB are held.
GROW = """
from pathlib import Path
from bert_jax import heap
heap.keep_memory()
import numpy as np
memory = heap.KeptMemory()
def held():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * heap.os.sysconf("SC_PAGE_SIZE") // 2**20
kept = [np.full(4 << 20, 1.0)]
memory.look()
for _ in range(2):
    grown = np.full(8 << 20, 1.0)
    kept.append(np.full(1 << 17, 1.0))  # behind it, so that the heap does not end there
    del grown
    print(held())
    memory.look()
    print(held())
    memory.look()  # what is needed is seen anew
"""


def in_a_process(program, tunables):
    """Run a program with settings of the allocator; return what it prints, in words."""
    environment = os.environ | {"GLIBC_TUNABLES": tunables}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def fill_in_a_process(tunables):
    faults, set_to = in_a_process(FILL, tunables)
    return int(faults), set_to


def held_in_a_process(tunables):
    return map(int, in_a_process(GROW, tunables))


@GLIBC
def test_memory_that_was_freed_is_there_for_the_next_array():
    if heap._beside_an_accelerator():
        pytest.skip("memory is kept only where the CPU computes")
    assert fill_in_a_process("") == (pytest.approx(0, abs=8), heap.ALLOCATOR)
    faults, set_to = fill_in_a_process("glibc.cpu.x86_ibt=off")
    assert faults < 8 and set_to == f"glibc.cpu.x86_ibt=off:{heap.ALLOCATOR}"


@GLIBC
def test_an_allocator_that_the_user_has_set_up_stays_so():
    faults, set_to = fill_in_a_process("glibc.malloc.hugetlb=0")
    assert faults > 20 and set_to == "glibc.malloc.hugetlb=0"


@GLIBC
def test_memory_that_is_more_than_was_needed_is_given_back_but_not_again_at_once():
    if heap._beside_an_accelerator():
        pytest.skip("memory is kept only where the CPU computes")
    grown, given_back, again, kept = held_in_a_process("")
    assert grown - given_back == pytest.approx(64, abs=8)
    assert again - kept == pytest.approx(0, abs=2) and again - given_back > 50


@GLIBC
def test_what_another_allocator_holds_is_left_to_it():
    grown, given_back, _, _ = held_in_a_process(f"{heap.ALLOCATOR}:glibc.malloc.perturb=0")
    assert grown - given_back > 50
    two_heaps = heap.ALLOCATOR.replace("arena_max=1", "arena_max=2")
    grown, given_back, _, _ = held_in_a_process(two_heaps)
    assert grown - given_back == pytest.approx(0, abs=2)


def test_a_system_that_does_not_say_what_is_held_is_no_error(monkeypatch):
    def unreadable(path):
        raise FileNotFoundError(path)

    monkeypatch.setenv("GLIBC_TUNABLES", heap.ALLOCATOR)
    monkeypatch.setattr(heap.Path, "read_text", unreadable)
    memory = heap.KeptMemory()
    memory.look()
    memory.look()
