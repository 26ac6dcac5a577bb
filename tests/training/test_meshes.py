"""The step of pretraining on meshes of eight devices: the numbers of one, and what is sent."""

import collections
import dataclasses
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from bert_jax.training.collectives import collectives
from bert_jax.training.parameters import check_placed
from bert_jax.training.sharding import MeshConfig, Sharding, make_mesh
from bert_jax.training.state import flatten

# Devices along data, fsdp, tensor and sequence.
MESHES = {
    "data": (8, 1, 1, 1),
    "2x4": (2, 4, 1, 1),
    "4x2": (4, 2, 1, 1),
    "2x2x2": (2, 2, 2, 1),
    "sequence": (2, 2, 1, 2),
}
RATE = 1e-3
STEPS = 20
ROWS, TOKENS = 8, 32
FLOAT = 4  # bytes


class Taken(NamedTuple):
    """What twenty steps showed."""

    sharding: Sharding
    examples: Any  # of the first batch
    second: Any  # the state after two steps
    metrics: list[dict]
    asked: Any  # where the state had to lie
    program: str  # compiled


@pytest.fixture(scope="module")
def pretraining(assembled):
    """A small pretraining with dropout and the optimizer of BERT, on one device."""
    changes = {"optimizer.warmup_steps": 0, "model.num_hidden_layers": 1}
    return assembled(changes | {"optimizer.name": "bert_adamw", "compute_dtype": "float32"})


def on(pretraining, mesh):
    mesh = make_mesh(MeshConfig(*mesh))
    return dataclasses.replace(pretraining, sharding=Sharding(mesh, pretraining.sharding.rules))


def take_steps(pretraining, start):
    phase = pretraining.plan.phases[0]
    stage = pretraining.stage(phase, pretraining.rows("train", phase))
    state = jax.device_put(jax.tree.map(jnp.copy, start), stage.shardings)  # the step takes it away
    examples = jax.jit(pretraining.objective(phase).examples)
    seen = jax.device_get(examples(stage.batch(0), jax.random.key(5)))
    rate, largest = np.float32(RATE), np.float32(np.inf)
    step = stage.train_step.lower(state, stage.batch(0), rate, largest).compile()
    metrics, second = [], None
    for number in range(STEPS):
        state, values, _ = step(state, stage.batch(number), rate, largest)
        metrics.append(jax.device_get(values))
        if number == 1:
            second = jax.tree.map(jnp.copy, state)
    return Taken(pretraining.sharding, seen, second, metrics, stage.shardings, step.as_text())


@pytest.fixture(scope="module")
def start(pretraining):
    return pretraining.initial_state(None)


@pytest.fixture(scope="module")
def on_one(pretraining, start):
    return take_steps(pretraining, start)


@pytest.fixture(scope="module", params=MESHES, ids=str)
def on_many(request, pretraining, start):
    return take_steps(on(pretraining, MESHES[request.param]), start)


def test_a_mesh_sees_the_same_masked_examples(on_one, on_many):
    examples = zip(jax.tree.leaves(on_one.examples), jax.tree.leaves(on_many.examples), strict=True)
    for one, many in examples:
        np.testing.assert_array_equal(one, many)


def test_a_mesh_takes_the_same_step_within_rounding(on_one, on_many):
    for one, many in zip(on_one.metrics[:2], on_many.metrics[:2], strict=True):
        assert one["mlm_loss"].denominator == many["mlm_loss"].denominator
        for name in ("mlm_loss", "nsp_loss", "grad_norm"):
            np.testing.assert_allclose(one[name].numerator, many[name].numerator, rtol=2e-6)
    # The rate is 3e-3: each parameter moved by about 9e-3 a step.
    expected = flatten(on_one.second.params)
    for path, found in flatten(on_many.second.params).items():
        np.testing.assert_allclose(found, expected[path], rtol=0, atol=2e-5, err_msg=path)


def test_a_mesh_has_the_loss_of_one_device_for_many_steps(on_one, on_many):
    def curve(taken, name):
        return [values[name].numerator / values[name].denominator for values in taken.metrics]

    for name in ("mlm_loss", "nsp_loss"):
        one, many = curve(on_one, name), curve(on_many, name)
        assert len(one) == STEPS and np.ptp(one) > 1e-2  # it learns, or chance would do
        np.testing.assert_allclose(many, one, rtol=1e-5)


def test_a_step_leaves_parameters_and_moments_where_the_rules_say(on_many):
    check_placed(on_many.second, on_many.asked)
    mesh = on_many.sharding.mesh.shape
    kernel = "bert/encoder/layer_0/feed_forward/intermediate/kernel"
    shards = flatten(on_many.second.params)[kernel].addressable_shards
    assert {shard.data.shape for shard in shards} == {(32 // mesh["fsdp"], 64 // mesh["tensor"])}


def results(program, kind):
    """How often which arrays come out of collectives of a kind."""
    lines = re.findall(rf"^ +(?:ROOT )?\S+ = (.+?) {kind}\(", program, re.MULTILINE)
    return collections.Counter(array for line in lines for array in re.findall(r"\w+\[.*?\]", line))


def array(*shape):
    return f"f32[{','.join(map(str, shape))}]"


def test_only_parameters_are_gathered_and_what_cut_sequences_have_to_see_of_each_other(on_many):
    """No batch and no activations: all ids of a batch are 1 kB here, hidden states 32 kB."""
    mesh, rows = on_many.sharding.mesh, ROWS // on_many.sharding.batch_devices
    found = results(on_many.program, "all-gather")
    if mesh.shape["sequence"] > 1:
        assert found.pop(array(rows, TOKENS, 32)) == 2  # a layer's keys, and its values
        # Three predictions on each device: their gradients, and where they stand.
        assert found.pop(array(rows, 6, 32)) == 1
        del found[f"s32[{rows},6,1]"], found[f"s32[{ROWS},6,1]"]
    whole = set()
    asked = jax.tree.leaves(on_many.asked.params)
    for leaf, cut in zip(jax.tree.leaves(on_many.second.params), asked, strict=True):
        kept = ["tensor" if "tensor" in (axes or ()) else None for axes in cut.spec]
        whole.add(array(*NamedSharding(mesh, PartitionSpec(*kept)).shard_shape(leaf.shape)))
    assert found.keys() <= (whole if mesh.shape["fsdp"] > 1 else set())


def test_what_is_sent_is_what_theory_says(on_many):
    """To the byte but for sums of metrics and norms, where parameters are cut by fsdp alone."""
    mesh, sent = on_many.sharding.mesh.shape, collectives(on_many.program)
    reduced = results(on_many.program, "all-reduce")
    rows = ROWS // on_many.sharding.batch_devices
    if mesh["tensor"] > 1:
        # What is looked up, and in a layer: forward what attention and feed-forward give, backward
        # what goes into the feed-forward, queries, keys and values.
        assert reduced[array(rows, TOKENS, 32)] == 1 + 2 + 4
    elif mesh["sequence"] > 1:  # gradients of keys and values
        assert reduced[array(rows, 4, 8, TOKENS)] + reduced[array(rows, 4, TOKENS, 8)] == 2
    else:
        gather, reduce = 0.0, 0.0
        for path, leaf in flatten(on_many.second.params).items():
            size = FLOAT * leaf.size
            if leaf.ndim == 1 or "/embeddings/" in path:  # looked up, or added
                reduce += size
                gather += size * (leaf.ndim == 2)
            if leaf.ndim == 2 and not re.search("/(position|token_type)/", path):  # multiplied
                # First among those that hold parts, then each part among the copies.
                reduce += size * (1 if mesh["fsdp"] == 1 else 1 + 1 / mesh["fsdp"])
                gather += size * (1 if path.endswith("/token/embedding") else 2)
        assert 0 <= sent["all-reduce"].size - reduce < 256
        assert sent.keys() == {"all-reduce"} | ({"all-gather"} if mesh["fsdp"] > 1 else set())
        assert mesh["fsdp"] == 1 or sent["all-gather"].size == gather
