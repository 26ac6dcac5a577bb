"""What devices send each other, read from programs as XLA writes them."""

import pytest

from bert_jax.training.collectives import Collectives, Operation, collectives, operations

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
        (f"  %a = ((f32[8], f32[16]), (f32[2], f32[4])) reduce-scatter-start(%x, %y), {GROUPS}",
         "reduce-scatter", 24),
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


@pytest.mark.parametrize(
    ("groups", "first"),
    [
        ("replica_groups={{0,2},{1,3}}", (0, 2)),
        ("replica_groups={}", ()),
        ("replica_groups=[2,4]<=[8]", (0, 1, 2, 3)),
        ("replica_groups=[4,2]<=[2,4]T(1,0)", (0, 4)),
        ("replica_groups=[2,4]<=[2,2,2]T(1,0,2)", (0, 1, 4, 5)),
        ("replica_groups=mesh['a'=2,'b'=4] {'b'}", (0, 1, 2, 3)),
        ("replica_groups=mesh['a'=2,'b'=4] {'a'}", (0, 4)),
        ("replica_groups=mesh['a'=2,'b'=2,'c'=2] {'a','c'}", (0, 1, 4, 5)),
        ("replica_groups=mesh['a'=4,'b'=2], device_ids=([2,4]T(1,0)) {'a'}", (0, 1, 2, 3)),
        ("replica_groups=mesh['a'=4,'b'=2], device_ids=([2,4]T(1,0)) {'b'}", (0, 4)),
    ],
)
def test_who_takes_part_is_read_in_every_form(groups, first):
    line = f"  %a = f32[8] all-reduce(%x), channel_id=1, {groups}, to_apply=%add"
    assert operations(line) == [Operation("all-reduce", 32, first, 1)]


def test_what_stands_in_loops_happens_at_each_of_their_turns():
    trips = 'backend_config={"known_trip_count":{"n":"%d"},"other":{}}'
    text = f"""HloModule jit_step

%add (x: f32[], y: f32[]) -> f32[] {{
  ROOT %s = f32[] add(%x, %y)
}}

%inner.2 (p: (s32[], f32[4])) -> (s32[], f32[4]) {{
  %g = f32[8] all-gather(%x), replica_groups={{{{0,1}}}}, dimensions={{0}}
}}

%outer (p: (s32[], f32[4])) -> (s32[], f32[4]) {{
  %r = f32[2] all-reduce(%x), replica_groups={{{{0,1}}}}, to_apply=%add
  %w = (s32[], f32[4]) while(%t), condition=%c, body=%inner.2, {trips % 3}
}}

%twelve (p: (s32[], f32[4])) -> pred[] {{
  %limit = s32[]{{:T(128)}} constant(12)
  %count = s32[] get-tuple-element(%p), index=0
  ROOT %lt = pred[]{{:T(512)}} compare(%count, %limit), direction=LT, metadata={{op_name="lt"}}
}}

%unknown (p: f32[]) -> f32[] {{
  %p2 = f32[4] collective-permute(%x), source_target_pairs={{{{0,1}},{{1,0}}}}
}}

ENTRY %main (p: f32[]) -> f32[] {{
  %w = (s32[], f32[4]) while(%t), condition=%twelve, body=%outer
  %v = f32[] while(%t), condition=%c, body=%unknown
  ROOT %r = f32[] all-reduce(%x), replica_groups={{{{0,1}}}}, to_apply=%add
}}
"""
    assert operations(text) == [
        Operation("all-gather", 32, (0, 1), 36),
        Operation("all-reduce", 8, (0, 1), 12),
        Operation("collective-permute", 16, (0, 1), 1),
        Operation("all-reduce", 4, (0, 1), 1),
    ]


def test_a_tpu_writes_one_operation_into_several_fusions():
    gather = "f32[8] all-gather(%x), channel_id=7, replica_groups={{0,1}}, dimensions={0}"
    text = f"""HloModule jit_step

%begin (x: f32[4]) -> f32[8] {{
  %a = {gather}
  ROOT %s = f32[8] custom-call(%a), custom_call_target="AsyncCollectiveStart"
}}

%end (x: f32[4]) -> f32[8] {{
  %a = {gather}
  ROOT %d = f32[8] custom-call(%a), custom_call_target="AsyncCollectiveDone"
}}

%all-reduce-scatter.1 (x: f32[64,2], y: f32[8]) -> (f32[32,2], f32[4]) {{
  %r = (f32[64,2], f32[8]) all-reduce(%x, %y), channel_id=7, replica_groups={{{{0,1}}}}
  %g = f32[64,2] get-tuple-element(%r), index=0
}}

ENTRY %main (p: f32[4]) -> f32[8] {{
  %b = f32[8] fusion(%p), kind=kCustom, calls=%begin, metadata={{op_name="a"}}
  %e = f32[8] fusion(%b), kind=kCustom, calls=%end
  %f = (f32[32,2], f32[4]) fusion(%e, %e), kind=kCustom, calls=%all-reduce-scatter.1
  %o = {gather}
  ROOT %g = {gather}
}}
"""
    assert operations(text) == [
        Operation("all-gather", 32, (0, 1), 1),
        Operation("reduce-scatter", 32 * 2 * 4 + 16, (0, 1), 1),
        Operation("all-gather", 32, (0, 1), 1),
        Operation("all-gather", 32, (0, 1), 1),
    ]
