"""What devices send each other by theory, against what a compiled step sends."""

import dataclasses

import pytest

from bert_jax.model import BertConfig
from bert_jax.planning.compiling import compile_step
from bert_jax.planning.formulae import FLOAT, Load, in_theory
from bert_jax.planning.links import Transfer, transfers
from bert_jax.planning.phase_plan import load_of

CONFIG = BertConfig(64, 32, 2, 4, 64)
LOAD = Load(CONFIG, parameters=1000, whole=200, rows=4, length=16, predictions=3)


def sent(found, kind, members):
    return sum(t.sent for t in found if (t.kind, t.members) == (kind, members))


def test_data_and_tensor_are_what_the_compiled_step_sends(compiled, small_step, chip):
    step = small_step()
    load = load_of(step, step.plan.phases[0], "cpu")
    theory = in_theory(step.sharding.mesh.shape, load, chip.domain)
    found = transfers(compiled.operations, 8, chip)
    # Sums of metrics and norms are in neither formula: some hundred bytes.
    for members in (2, 4):
        expected = sent(theory, "all-reduce", members)
        assert expected > 10_000
        assert sent(found, "all-reduce", members) == pytest.approx(expected, rel=0.02)
    # What is left is the masking's, which XLA does not cut.
    rest = sum(t.sent for t in found if t.kind != "all-reduce")
    assert rest < 4 * 8 * 32 * 4


def test_fsdp_is_what_the_compiled_step_sends_with_a_cpus_way_to_reduce(small_step, target, chip):
    step = small_step({"mesh.data": 1, "mesh.fsdp": 8, "mesh.tensor": 1})
    load = load_of(step, step.plan.phases[0], "cpu")
    theory = in_theory(step.sharding.mesh.shape, load, chip.domain)
    compiled = compile_step(step, step.plan.phases[0], target)
    found = transfers(compiled.operations, 8, chip)
    gathered = sent(theory, "all-gather", 8)
    assert sent(found, "all-gather", 8) == pytest.approx(gathered, rel=0.1)
    # XLA for CPUs has no reduce-scatter, and reduces the tied table twice before it cuts.
    table = FLOAT * load.unmerged * 7 / 8
    expected = 2 * (sent(theory, "reduce-scatter", 8) + table)
    assert sent(found, "all-reduce", 8) == pytest.approx(expected, rel=0.02)
    assert sent(found, "reduce-scatter", 8) == 0


def test_the_tied_table_is_reduced_once_where_programs_do(small_step):
    step = small_step()
    phase = step.plan.phases[0]
    assert load_of(step, phase, "cpu").unmerged == 64 * step.model.hidden_size
    assert load_of(step, phase, "tpu") == dataclasses.replace(
        load_of(step, phase, "cpu"), unmerged=0
    )


def test_data_alone_reduces_the_gradients_once():
    (only,) = in_theory({"data": 8, "fsdp": 1, "tensor": 1}, LOAD, 256)
    assert only == Transfer("all-reduce", 4000, 8, 8)
    table = dataclasses.replace(LOAD, unmerged=500)
    assert in_theory({"data": 8}, table, 256)[0].size == 6000
    short = dataclasses.replace(LOAD, unread=100)
    assert in_theory({"data": 8}, short, 256)[0].size == 3600
    assert in_theory({"data": 2, "fsdp": 4}, table, 256)[0].size == 4000 / 4


def test_fsdp_gathers_twice_and_scatters_once():
    gather, scatter = in_theory({"data": 1, "fsdp": 8}, LOAD, 256)
    assert gather == Transfer("all-gather", 4000, 8, 8, times=2)
    assert scatter == Transfer("reduce-scatter", 500, 8, 8, times=1)
    assert gather.sent + scatter.sent == pytest.approx(3 * 4000 * 7 / 8)


def test_axes_share_the_work():
    found = in_theory({"data": 2, "fsdp": 4, "tensor": 2}, LOAD, 8)
    cut = 4 * (800 / 2 + 200)
    assert found[0] == Transfer("all-reduce", cut / 4, 2, 1)  # eight devices fill a domain
    assert found[1] == Transfer("all-gather", cut, 4, 4, times=2)
    assert found[3] == Transfer("all-reduce", 4 * 4 * 16 * 32, 2, 2, times=13)


def test_each_part_of_a_batch_does_it_again():
    parts = dataclasses.replace(LOAD, parts=4)
    mesh = {"data": 2, "fsdp": 2, "tensor": 2}
    once, each = in_theory(mesh, LOAD, 8), in_theory(mesh, parts, 8)
    hidden = [t for t in each if t.size == 4 * 1 * 16 * 32]
    assert hidden[0].times == 4 * 13
    assert [t.sent for t in each[:3]] == pytest.approx([4 * t.sent for t in once[:3]])


def test_one_device_sends_nothing():
    assert in_theory({"data": 1, "fsdp": 1, "tensor": 1}, LOAD, 8) == []
