import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bert_jax.model.dropout import dropout, random_bits

RATE = 0.1
SHAPE = (16, 4, 32, 32)  # [B, N, T, S], as attention probabilities


@pytest.fixture(scope="module")
def dropped():
    return np.asarray(dropout(jnp.full(SHAPE, 3.0), RATE, jax.random.key(0)))


def largest_correlation(masks):
    """Return the largest correlation between two of several masks, in standard errors."""
    flat = masks.reshape(len(masks), -1).astype(np.float64)
    between = np.corrcoef(flat) - np.eye(len(flat))
    return np.abs(between).max() * np.sqrt(flat.shape[1])


def test_what_stays_is_scaled_and_the_rest_is_zero(dropped):
    zero, kept = np.unique(dropped)
    assert zero == 0
    assert kept == pytest.approx(3 / (1 - RATE), rel=1e-6)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_the_share_of_zeros_is_the_rate(rate):
    share = (dropout(jnp.ones(10**6), rate, jax.random.key(3)) == 0).mean()
    assert abs(share - rate) < 4 * np.sqrt(rate * (1 - rate) / 10**6)


def test_the_mean_is_kept(dropped):
    standard_error = 3 * np.sqrt(RATE / (1 - RATE) / dropped.size)
    assert abs(dropped.mean() - 3) < 4 * standard_error


@pytest.mark.parametrize("axis", range(4), ids=["rows", "heads", "queries", "keys"])
def test_nothing_is_shared_along_an_axis(dropped, axis):
    masks = np.moveaxis(dropped == 0, axis, 0)
    assert largest_correlation(masks) < 5
    shares = masks.reshape(len(masks), -1).mean(1)
    assert np.abs(shares - RATE).max() < 5 * np.sqrt(RATE * (1 - RATE) / masks[0].size)


def test_neighbouring_elements_are_independent(dropped):
    mask = (dropped == 0).ravel()
    shifted = np.stack([np.roll(mask, shift) for shift in (0, 1, 2, 32, 1024)])
    assert largest_correlation(shifted) < 5


def test_keys_of_following_steps_and_layers_give_independent_masks():
    steps = [jax.random.fold_in(jax.random.key(7), step) for step in range(8)]
    keys = steps + list(jax.random.split(steps[0], 8))
    masks = [np.asarray(dropout(jnp.ones(20_000), RATE, key)) == 0 for key in keys]
    assert largest_correlation(np.stack(masks)) < 5


def test_the_same_key_gives_the_same_mask(dropped):
    again = dropout(jnp.full(SHAPE, 3.0), RATE, jax.random.key(0))
    np.testing.assert_array_equal(dropped, again)


def test_no_key_leaves_everything_as_it_is():
    x = jnp.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(dropout(x, 0.5, None), x)


def test_a_rate_of_zero_leaves_everything_as_it_is():
    x = jnp.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(dropout(x, 0.0, jax.random.key(0)), x)


def test_the_gradient_passes_through_what_stays(dropped):
    gradient = jax.grad(lambda x: dropout(x, RATE, jax.random.key(0)).sum())(jnp.full(SHAPE, 3.0))
    np.testing.assert_allclose(gradient, dropped / 3, rtol=1e-6)


def test_the_bits_are_those_of_the_published_hash():
    def mix(bits):
        bits = (bits ^ bits >> 16) * 0x7FEB352D % 2**32
        bits = (bits ^ bits >> 15) * 0x846CA68B % 2**32
        return bits ^ bits >> 16

    key = jax.random.key(42)
    first, second = (int(word) for word in jax.random.key_data(key))
    expected = [mix((mix(index ^ first) + second) % 2**32) for index in range(2 * 3 * 5)]
    np.testing.assert_array_equal(random_bits(key, (2, 3, 5)).ravel(), expected)


def test_a_mask_cut_over_devices_is_the_mask_of_one(dropped):
    cut = NamedSharding(Mesh(np.array(jax.devices()[:8]), "x"), PartitionSpec("x"))
    x = jax.device_put(jnp.full(SHAPE, 3.0), cut)
    sharded = jax.jit(dropout, static_argnums=1, out_shardings=cut)(x, RATE, jax.random.key(0))
    np.testing.assert_array_equal(sharded, dropped)
