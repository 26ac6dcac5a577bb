import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.model import BertConfig, Execution
from bert_jax.model.encoder import Encoder
from bert_jax.model.gradients import add_bias, gelu, gelu_tanh, layer_norm


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


def test_a_bias_is_added_to_rounded_rows_in_float32_and_its_gradient_summed_so():
    rows, bias = normal(0, 300, 7).astype(jnp.bfloat16), normal(1, 7)
    found, pull = jax.vjp(add_bias, rows, bias)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, rows.astype(jnp.float32) + bias)
    of_rows, of_bias = pull(jnp.full(found.shape, 1 / 3))
    assert (of_rows.dtype, of_bias.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_allclose(of_bias, 300 * jnp.bfloat16(1 / 3).astype(jnp.float32), rtol=1e-6)


def test_normalised_rows_may_be_kept_rounded():
    arguments = (2 * normal(0, 50, 7) + 1, normal(1, 7), normal(2, 7))
    value, pull = jax.vjp(lambda *a: layer_norm(*a, 1e-3, "bfloat16"), *arguments)
    expected, expected_pull = jax.vjp(lambda *a: layer_norm(*a, 1e-3), *arguments)
    np.testing.assert_array_equal(value, expected)
    (x, scale, bias), wanted = pull(value), expected_pull(value)
    np.testing.assert_array_equal(x, wanted[0])  # of the scale's gradient alone they are part
    np.testing.assert_array_equal(bias, wanted[2])
    assert 0 < np.abs(scale - wanted[1]).max() < 2**-8 * np.abs(wanted[1]).max()


@pytest.mark.parametrize("leading", [(3,), (2, 5)], ids=str)
def test_layer_norm_has_the_gradients_of_its_definition(leading):
    arguments = (2 * normal(0, *leading, 7) + 1, normal(1, 7), normal(2, 7))
    compare_with_plain(
        lambda *a: layer_norm(*a, 1e-3), lambda *a: plain_layer_norm(*a, 1e-3), arguments
    )


def test_gelu_has_the_gradient_of_the_erf_form():
    x = jnp.linspace(-6.0, 6.0, 97)
    compare_with_plain(gelu, lambda x: jax.nn.gelu(x, approximate=False), (x,))


def test_the_gelu_by_a_sigmoid_is_that_by_a_tanh():
    x = jnp.linspace(-4.0, 6.0, 97)  # below it the tanh form has lost its digits
    compare_with_plain(gelu_tanh, lambda x: jax.nn.gelu(x, approximate=True), (x,))
    far = jnp.array([-1e4, -100.0, 100.0, 1e4])
    value, slope = jax.vmap(jax.value_and_grad(gelu_tanh))(far)
    np.testing.assert_array_equal(value, [0, 0, 100, 1e4])
    np.testing.assert_array_equal(slope, [0, 0, 1, 1])


def test_gelu_is_exact_where_the_tanh_form_is_not():
    x = np.linspace(-5, 5, 201)
    expected = [v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x]
    np.testing.assert_allclose(gelu(jnp.float32(x)), expected, atol=1e-6)
    assert np.abs(jax.nn.gelu(x, approximate=True) - np.array(expected)).max() > 1e-4


def operations_of_a_gradient(layers):
    module = Encoder(BertConfig(60, 128, layers, 2, 256), Execution())
    hidden, mask = jnp.ones((4, 64, 128)), jnp.ones((4, 64), jnp.int32)
    params = jax.eval_shape(lambda: module.init(jax.random.key(0), hidden, mask, None))

    def loss(params):
        return jnp.sum(jnp.square(module.apply(params, hidden, mask, jax.random.key(1))[0]))

    return jax.jit(jax.grad(loss)).lower(params).compile().as_text().count(" = ")


def test_no_layer_computes_again_what_the_layers_above_it_gave():
    """XLA on a CPU does so where a sum takes its rows flattened: a step quadratic in depth."""
    two, three, four = map(operations_of_a_gradient, (2, 3, 4))
    assert four - three == pytest.approx(three - two, rel=0.03)
