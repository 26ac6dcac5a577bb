"""Which device holds what."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from bert_jax.errors import ConfigError
from bert_jax.model import (
    KINDS,
    BertConfig,
    BertForPretraining,
    Execution,
    initialize,
    make_model,
)
from bert_jax.training.sharding import (
    DIMENSIONS,
    PARAMETER_DIMENSIONS,
    MeshConfig,
    Sharding,
    dimensions_of,
    gathered,
    make_mesh,
    placed,
)
from bert_jax.training.state import TrainState, path_of
from configs import pretrain

RULES = {name: tuple(axes) for name, axes in pretrain.get_config("tiny,cpu").rules.items()}


def shapes(vocab_size=64, **changes):
    config = BertConfig(vocab_size, 32, 2, 4, 64, **changes)
    module = BertForPretraining(config, Execution())
    ids = jnp.zeros((1, 2), jnp.int32)

    def initialize():
        params = module.init(jax.random.key(0), ids, ids, ids, ids)["params"]
        opt_state = optax.adam(1e-3).init(params)
        return TrainState(jnp.zeros((), jnp.int32), params, opt_state, jax.random.key(0))

    return jax.eval_shape(initialize)


def task_shapes(kind):
    module = make_model(kind, BertConfig(64, 32, 2, 4, 64), Execution(), num_labels=3)
    return jax.eval_shape(lambda: initialize(module, jax.random.key(0)))


def paths(params):
    return {path_of(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)}


def sharding(mesh=(2, 2, 2), **rules):
    return Sharding(make_mesh(MeshConfig(*mesh)), RULES | rules)


def matching(path):
    return [row for row in PARAMETER_DIMENSIONS if re.search(f"(^|[/_]){row[0]}$", path)]


@pytest.mark.parametrize("normalization", ["post", "pre"])
@pytest.mark.parametrize("tied", [True, False])
def test_every_parameter_matches_one_row_that_names_each_of_its_dimensions(normalization, tied):
    params = shapes(normalization=normalization, tie_word_embeddings=tied).params
    for path, leaf in paths(params).items():
        (row,) = matching(path)
        assert len(row[1]) == leaf.ndim, path
        assert dimensions_of(path) == row[1]


@pytest.mark.parametrize("kind", KINDS)
def test_so_does_every_parameter_of_the_models_of_tasks(kind):
    for path, leaf in paths(task_shapes(kind)).items():
        (row,) = matching(path)
        assert len(row[1]) == leaf.ndim, path


def test_every_row_is_of_some_parameter():
    models = [shapes(tie_word_embeddings=False).params, *map(task_shapes, KINDS)]
    used = {row for model in models for path in paths(model) for row in matching(path)}
    assert used == set(PARAMETER_DIMENSIONS)


def test_dimensions_of_one_name_have_one_size():
    """All but "position", which names the rows of two tables, and sizes that 'norm' spans."""
    sizes = {}
    for path, leaf in paths(shapes(tie_word_embeddings=False).params).items():
        for name, size in zip(dimensions_of(path), leaf.shape, strict=True):
            sizes.setdefault(name, set()).add(size)
    assert sizes.pop("position") == {512, 2}
    assert sizes == {"vocab": {64}, "embed": {32}, "norm": {32}, "heads": {32}, "mlp": {64},
                     "class": {2}}  # fmt: skip


def test_rules_cut_parameters_as_they_say():
    cut = {path: s.spec for path, s in paths(sharding().of_state(shapes().params)).items()}
    layer = "bert/encoder/layer_0"
    assert cut["bert/embeddings/token/embedding"] == PartitionSpec(("tensor",), ("fsdp",))
    assert cut[f"{layer}/attention/query/kernel"] == PartitionSpec(("fsdp",), ("tensor",))
    assert cut[f"{layer}/attention/output/kernel"] == PartitionSpec(("tensor",), ("fsdp",))
    assert cut[f"{layer}/feed_forward/intermediate/bias"] == PartitionSpec(("tensor",))
    assert cut[f"{layer}/feed_forward_layer_norm/scale"] == PartitionSpec(None)


def test_moments_lie_where_their_parameters_lie():
    of_state = sharding().of_state(shapes())
    adam = of_state.opt_state[0]
    assert adam.mu == of_state.params and adam.nu == of_state.params
    assert adam.count.spec == of_state.step.spec == of_state.key.spec == PartitionSpec()


def test_a_batch_is_cut_over_all_of_its_axes():
    whole = sharding((2, 4, 1))
    assert whole.batch_devices == 8
    assert whole.batch.spec == PartitionSpec(("data", "fsdp"))
    assert sharding((2, 2, 2)).batch_devices == 4
    assert sharding((2, 2, 2)).sequence_devices == 1
    assert sharding((2, 1, 1, 4)).sequence_devices == 4


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"vocabulary": ()}, r"config\.rules\.vocabulary: no such dimension; known are batch, "),
        (
            {"sequence": ("data",)},
            r"config\.rules\.sequence: data cuts the rows of a batch already",
        ),
        ({"mlp": ("model",)}, r"config\.rules\.mlp: no mesh axis 'model'; known are data, "),
    ],
)
def test_unknown_names_are_refused(rules, message):
    with pytest.raises(ConfigError, match=message):
        sharding(**rules)


@pytest.mark.parametrize("name", DIMENSIONS)
def test_a_missing_rule_is_refused(name):
    rules = {k: v for k, v in RULES.items() if k != name}
    with pytest.raises(ConfigError, match=rf"config\.rules\.{name}: missing"):
        Sharding(make_mesh(MeshConfig(8, 1, 1)), rules)


@pytest.mark.parametrize("mesh", [(2, 2, 2), (8, 1, 1)])
def test_an_axis_used_twice_is_refused(mesh):
    with pytest.raises(ConfigError, match=r"embeddings/token/embedding .* is used twice"):
        sharding(mesh, vocab=("fsdp",)).of_state(shapes().params)


def test_a_size_that_the_mesh_does_not_divide_is_refused_with_the_next_that_it_does():
    with pytest.raises(ConfigError, match=r"has 63 along 'vocab'.*model\.vocab_size=64$"):
        sharding().of_state(shapes(vocab_size=63).params)


@pytest.mark.parametrize(
    ("wanted", "sizes"),
    [((-1, 1, 1), (8, 1, 1, 1)), ((2, -1, 2), (2, 2, 1, 2)), ((2, 1, -1, 2), (2, 1, 2, 2))],
)
def test_a_mesh_has_the_sizes_asked_for(wanted, sizes):
    """Asked for as data, fsdp, tensor, sequence; tensor is what lies next to one another."""
    assert tuple(make_mesh(MeshConfig(*wanted)).shape.items()) == (
        ("data", sizes[0]), ("fsdp", sizes[1]), ("sequence", sizes[2]), ("tensor", sizes[3])
    )  # fmt: skip


def test_a_mesh_may_be_of_some_devices():
    assert make_mesh(MeshConfig(-1, 1, 1), jax.devices()[:1]).size == 1


@pytest.mark.parametrize("wanted", [(3, 1, 1), (-1, 3, 1), (-1, -1, 1), (0, 1, 8), (16, 1, 1)])
def test_a_mesh_that_is_not_the_devices_is_refused(wanted):
    with pytest.raises(ConfigError, match=r"config\.mesh"):
        make_mesh(MeshConfig(*wanted))


@pytest.mark.parametrize("mesh", [(8, 1, 1), (2, 2, 2), (1, 2, 4)])
def test_a_batch_is_made_of_rows_that_are_asked_for_once(mesh):
    whole, asked = sharding(mesh), []
    tokens, labels = np.arange(48).reshape(16, 3), np.arange(16) * 7

    def make(places):
        asked.append(places.tolist())
        return {"tokens": tokens[places], "labels": labels[places]}

    batch = whole.batch_of(16, make)
    assert asked == [list(range(16))]  # one process holds all of them
    for name, array in {"tokens": tokens, "labels": labels}.items():
        np.testing.assert_array_equal(batch[name], array)
        assert batch[name].sharding.is_equivalent_to(whole.batch, array.ndim)


def test_a_process_makes_the_rows_of_its_devices_alone(monkeypatch):
    whole, asked = sharding((2, 2, 2)), []
    mine = dict(
        list(whole.batch.devices_indices_map((16,)).items())[2:6]
    )  # parts 1 and 2 of 4, each on two devices
    monkeypatch.setattr(NamedSharding, "addressable_devices_indices_map", lambda self, shape: mine)
    monkeypatch.setattr(jax, "make_array_from_callback", lambda shape, sharding, part: part)

    def make(places):
        asked.append(places.tolist())
        return places * 10

    part = whole.batch_of(16, make)
    assert asked == [list(range(4, 12))]
    assert part((slice(8, 12),)).tolist() == [80, 90, 100, 110]


def test_whole_arrays_are_placed_and_gathered_again():
    whole = sharding((2, 2, 2))
    params = shapes().params
    draw = np.random.default_rng(0).normal
    drawn = jax.tree.map(lambda leaf: draw(size=leaf.shape).astype(leaf.dtype), params)
    placed_ = placed(drawn, whole.of_state(params))
    kernel = placed_["bert"]["encoder"]["layer_0"]["feed_forward"]["intermediate"]["kernel"]
    assert {shard.data.shape for shard in kernel.addressable_shards} == {(16, 32)}
    for one, other in zip(jax.tree.leaves(gathered(placed_)), jax.tree.leaves(drawn), strict=True):
        np.testing.assert_array_equal(one, other)
