"""What devices send each other, read from programs as XLA writes them."""

import pytest

from bert_jax.training.collectives import Collectives, collectives

GROUPS = "channel_id=1, replica_groups={{0,1}}, use_global_device_ids=true"


@pytest.mark.parametrize(
    ("line", "kind", "size"),
    [
        (f"  %a = f32[8,4]{{1,0}} all-reduce(%x), {GROUPS}, to_apply=%add", "all-reduce", 128),
        (f"  ROOT a.1 = bf16[3]{{0}} all-gather(%x), {GROUPS}", "all-gather", 6),
        (f"  %a = (f32[2]{{0}}, /*index=1*/s32[]) all-reduce(%x, %y), {GROUPS}", "all-reduce", 12),
        (f"  %a = (f32[4], f32[8]) all-gather-start(%x), {GROUPS}", "all-gather", 32),
        (f"  %a = (f32[4], s32[8]) all-reduce-start(%x, %y), {GROUPS}", "all-reduce", 48),
        ("  %a = (f32[5], f32[5], u32[], u32[]) collective-permute-start(%x)",
         "collective-permute", 20),
        (f"  %a = pred[16]{{0}} all-to-all(%x), {GROUPS}", "all-to-all", 16),
        (f"  %a = f8e4m3fn[16]{{0}} reduce-scatter(%x), {GROUPS}", "reduce-scatter", 16),
    ],
)  # fmt: skip
def test_the_result_of_an_operation_is_counted(line, kind, size):
    assert collectives(line) == {kind: Collectives(1, size)}


def test_operations_of_a_kind_add_up():
    text = '  %a = f32[2] all-reduce(%x)\n  %b = f32[3] all-reduce(%a), metadata={op_name="c"}\n'
    assert collectives(text) == {"all-reduce": Collectives(2, 20)}


@pytest.mark.parametrize(
    "line",
    [
        "  %a = f32[8] all-reduce-done(%b)",
        "  %all-reduce.1 = f32[8] add(%x, %y)",
        '  %a = f32[8] fusion(%all-gather.3), metadata={op_name="jit(f)/all-gather"}',
    ],
)
def test_nothing_else_is(line):
    assert collectives(line) == {}
