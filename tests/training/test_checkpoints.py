"""Checkpoints: whole, verified, finite."""

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from bert_jax.errors import CheckpointError, NumericsError
from bert_jax.training.checkpoints import Checkpoints, load_arrays, restore_common
from bert_jax.training.sharding import MeshConfig, make_mesh
from bert_jax.training.state import TrainState, flatten, nest


def make_state(step=0, seed=0, width=8, mesh=None):
    rng = np.random.default_rng([seed, step])
    params = {
        "dense": {"kernel": rng.normal(size=(16, width)), "bias": rng.normal(size=width)},
        "layer_norm": {"scale": rng.normal(size=16)},
    }
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)
    opt_state = optax.adam(1e-3).init(params)
    moments = opt_state[0]._replace(
        mu=jax.tree.map(lambda x: x * 1e-30, params), count=jnp.asarray(step, jnp.int32)
    )
    opt_state = (moments, *opt_state[1:])
    key = jax.random.fold_in(jax.random.key(7), step)
    state = TrainState(jnp.asarray(step, jnp.int32), params, opt_state, key)
    mesh = mesh or make_mesh(MeshConfig(1, 1, 1), jax.devices()[:1])

    def place(leaf):
        cut = leaf.ndim > 0 and leaf.shape[0] == 16
        axes = PartitionSpec(("data", "fsdp", "tensor")) if cut else PartitionSpec()
        return jax.device_put(leaf, NamedSharding(mesh, axes))

    return jax.tree.map(place, state)


def like(state):
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )


def assert_identical(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.fixture(scope="module")
def two_saved(tmp_path_factory):
    checkpoints = Checkpoints(tmp_path_factory.mktemp("checkpoints") / "c", keep=5)
    for step in (5, 10):
        checkpoints.save(make_state(step), {"sums": {"loss": [0.1, step]}, "skipped_in_a_row": 1})
    return checkpoints


@pytest.fixture
def copied(two_saved, tmp_path):
    return Checkpoints(shutil.copytree(two_saved.directory, tmp_path / "c"), keep=5)


def test_a_state_comes_back_bit_for_bit_with_its_key_and_what_stood_beside_it(two_saved):
    state, extra = two_saved.restore(like(make_state()))
    assert_identical(state, make_state(10))
    assert extra == {"sums": {"loss": [0.1, 10]}, "skipped_in_a_row": 1}


def test_no_checkpoints_are_not_an_error(tmp_path):
    assert Checkpoints(tmp_path / "c", keep=1).restore(like(make_state())) is None


def test_several_runs_go_on_from_the_newest_step_of_which_all_have_a_good_one(two_saved, tmp_path):
    def runs():
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        names = ("a", "b")
        return [Checkpoints(shutil.copytree(two_saved.directory, tmp_path / "runs" / n), 5)
                for n in names]  # fmt: skip

    def common(found):
        restored = restore_common(found, like(make_state()))
        return restored and [int(state.step) for state, _ in restored]

    assert common(runs()) == [10, 10]
    killed = runs()
    shutil.rmtree(killed[0].directory / "00000010")
    assert common(killed) == [5, 5]
    shutil.rmtree(killed[1].directory / "00000005")
    assert common(killed) is None
    damaged = runs()
    truncate(damaged[1], "params/**/*")
    with pytest.warns(UserWarning, match="passing over a damaged checkpoint: .*b/00000010"):
        assert common(damaged) == [5, 5]
    damaged[0].thin()
    assert damaged[0].steps() == [5, 10]
    Checkpoints(damaged[0].directory, keep=1).thin()
    assert damaged[0].steps() == [10]


def newest_file(checkpoints, pattern):
    """The largest file of the newest checkpoint that matches."""
    folder = checkpoints.directory / "00000010"
    return max((p for p in folder.glob(pattern) if p.is_file()), key=lambda p: p.stat().st_size)


def flip(checkpoints, pattern):
    path = newest_file(checkpoints, pattern)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(checkpoints, pattern):
    path = newest_file(checkpoints, pattern)
    path.write_bytes(path.read_bytes()[:-1])


def delete(checkpoints, pattern):
    newest_file(checkpoints, pattern).unlink()


def add(checkpoints, pattern):
    (newest_file(checkpoints, pattern).parent / "more").write_text("x")


DAMAGES = {
    "a flipped bit in a parameter": (flip, "params/**/*"),
    "a flipped bit in a moment": (flip, "state/**/*"),
    "a flipped bit in the metrics": (flip, "extra.json"),
    "a truncated array": (truncate, "params/**/*"),
    "a truncated manifest": (truncate, "manifest.json"),
    "a deleted array": (delete, "state/**/*"),
    "a deleted manifest": (delete, "manifest.json"),
    "a file too many": (add, "params/**/*"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(copied, damage):
    hurt, pattern = DAMAGES[damage]
    if damage == "a truncated manifest":
        truncate(copied, pattern)  # the last newline alone is not missed
    hurt(copied, pattern)
    with pytest.warns(UserWarning, match="passing over a damaged checkpoint: .*00000010"):
        state, _ = copied.restore(like(make_state()))
    assert_identical(state, make_state(5))


def test_the_manifest_is_no_more_trusted_than_the_arrays(copied):
    path = copied.directory / "00000010" / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.warns(UserWarning, match="format 2, this code reads 1"):
        copied.restore(like(make_state()))


def test_only_bad_checkpoints_are_an_error_and_never_a_fresh_start(copied):
    for folder in copied.directory.iterdir():
        (folder / "extra.json").unlink()
    with pytest.warns(UserWarning, match="passing over"), pytest.raises(CheckpointError) as caught:
        copied.restore(like(make_state()))
    assert caught.value.exit_code == 4 and "steps [5, 10]" in str(caught.value)


def poison(state, where, value):
    if where == "params":
        bias = state.params["dense"]["bias"].at[3].set(value)
        dense = state.params["dense"] | {"bias": bias}
        return dataclasses.replace(state, params=state.params | {"dense": dense})
    moments = state.opt_state[0]
    scale = moments.nu["layer_norm"]["scale"].at[0].set(value)
    nu = moments.nu | {"layer_norm": {"scale": scale}}
    return dataclasses.replace(state, opt_state=(moments._replace(nu=nu), *state.opt_state[1:]))


@pytest.mark.parametrize(("where", "name"), [("params", "dense/bias"), ("opt_state", "scale")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_not_saved(tmp_path, where, name, value):
    checkpoints = Checkpoints(tmp_path / "c", keep=1)
    with pytest.raises(NumericsError, match=f"step 3: {where}/.*{name} is not finite"):
        checkpoints.save(poison(make_state(3), where, value), {})
    assert list(tmp_path.iterdir()) == []


def test_another_shape_is_an_error_that_names_both(two_saved):
    with pytest.raises(CheckpointError, match=r"dense/bias is float32\[8\] .* float32\[9\] by the"):
        two_saved.restore(like(make_state(width=9)))


def test_another_dtype_is_an_error(two_saved):
    wanted = like(make_state())
    half = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, jnp.bfloat16, sharding=x.sharding), wanted.params
    )
    with pytest.raises(CheckpointError, match=r"float32\[8\] in the checkpoint, bfloat16\[8\]"):
        two_saved.restore(dataclasses.replace(wanted, params=half))


def test_another_optimizer_is_an_error(two_saved):
    state = make_state()
    other = dataclasses.replace(state, opt_state=state.opt_state[0].mu)
    with pytest.raises(CheckpointError, match="opt_state/.* absent"):
        two_saved.restore(like(other))


def test_only_the_newest_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 10):
        checkpoints.save(make_state(step), {})
    assert checkpoints.steps() == [2, 10]
    assert {path.name for path in tmp_path.iterdir()} == {"00000002", "00000010"}


def test_what_a_killed_save_left_is_no_checkpoint_and_is_removed(tmp_path):
    for name in (".00000003.partial", ".00000001.removed"):
        (tmp_path / name / "params").mkdir(parents=True)
        (tmp_path / name / "params" / "half").write_text("x")
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert checkpoints.restore(like(make_state())) is None
    checkpoints.save(make_state(3), {})
    assert [path.name for path in tmp_path.iterdir()] == ["00000003"]


def test_a_step_saved_again_replaces_the_damaged_one(copied):
    flip(copied, "params/**/*")
    copied.save(make_state(10), {"again": True})
    state, extra = copied.restore(like(make_state()))
    assert extra == {"again": True}
    assert_identical(state, make_state(10))


def test_a_state_is_restored_onto_another_mesh(tmp_path):
    eight = make_mesh(MeshConfig(8, 1, 1))
    Checkpoints(tmp_path, keep=1).save(make_state(4, mesh=eight), {})
    wanted = like(make_state(mesh=make_mesh(MeshConfig(2, 1, 2), jax.devices()[:4])))
    state, _ = Checkpoints(tmp_path, keep=1).restore(wanted)
    assert_identical(state, make_state(4))
    for leaf, want in zip(jax.tree.leaves(state), jax.tree.leaves(wanted), strict=True):
        assert leaf.sharding == want.sharding
    assert len(state.params["dense"]["kernel"].addressable_shards) == 4


def test_parameters_alone_can_be_loaded(two_saved):
    found, expected = load_arrays(two_saved.directory), flatten(make_state(10).params)
    assert found.keys() == expected.keys()
    for path, array in found.items():
        assert array.dtype == expected[path].dtype
        np.testing.assert_array_equal(array, expected[path])
    assert_identical(nest(found), make_state(10).params)


def test_loading_parameters_from_nothing_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_arrays(tmp_path)


def test_loading_damaged_parameters_is_an_error(copied):
    flip(copied, "params/**/*")
    with pytest.raises(CheckpointError, match="its contents changed"):
        load_arrays(copied.directory)
