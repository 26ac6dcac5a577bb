import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.model.gradients import add_bias, gelu, layer_norm


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def plain_layer_norm(x, scale, bias, epsilon):
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(
        x.var(-1, keepdims=True) + epsilon
    ) * scale + bias


def compare_with_plain(function, plain, arguments):
    """Compare values and gradients, with a cotangent that differs at every element."""
    cotangent = normal(99, *plain(*arguments).shape)
    value, pull = jax.vjp(function, *arguments)
    expected, expected_pull = jax.vjp(plain, *arguments)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    for found, wanted in zip(pull(cotangent), expected_pull(cotangent), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("leading", [(3,), (2, 5), (2, 3, 4)], ids=str)
def test_adding_a_bias_has_the_gradients_of_a_sum(leading):
    arguments = (normal(0, *leading, 7), normal(1, 7))
    compare_with_plain(add_bias, lambda x, bias: x + bias, arguments)


@pytest.mark.parametrize("leading", [(3,), (2, 5)], ids=str)
def test_layer_norm_has_the_gradients_of_its_definition(leading):
    arguments = (2 * normal(0, *leading, 7) + 1, normal(1, 7), normal(2, 7))
    compare_with_plain(
        lambda *a: layer_norm(*a, 1e-3), lambda *a: plain_layer_norm(*a, 1e-3), arguments
    )


def test_gelu_has_the_gradient_of_the_erf_form():
    x = jnp.linspace(-6.0, 6.0, 97)
    compare_with_plain(gelu, lambda x: jax.nn.gelu(x, approximate=False), (x,))


def test_gelu_is_exact_where_the_tanh_form_is_not():
    x = np.linspace(-5, 5, 201)
    expected = [v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x]
    np.testing.assert_allclose(gelu(jnp.float32(x)), expected, atol=1e-6)
    assert np.abs(jax.nn.gelu(x, approximate=True) - np.array(expected)).max() > 1e-4
