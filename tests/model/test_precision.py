import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bert_jax
from bert_jax.model.precision import product

# Every product with odd sizes: nothing a tile or a vector divides. What follows the first word
# tells two sizes of one product apart.
FORMS = {
    "btnh,bsnh->bnts": ((3, 5, 3, 7), (3, 9, 3, 7)),
    "bnts,bsnh->btnh": ((3, 3, 5, 9), (3, 9, 3, 7)),
    "btd,df->btf": ((3, 5, 33), (33, 17)),
    "btd,df->btf of many tokens": ((5, 53, 33), (33, 17)),
    "bpd,vd->bpv": ((3, 5, 33), (61, 33)),
    "bpd,bpv->dv": ((3, 5, 33), (3, 5, 61)),
    "bd,df->bf": ((3, 33), (33, 17)),
}
IN_BFLOAT16 = [form for form in FORMS if form != "bd,df->bf"]  # always float32: see Dense


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


def subscripts(form):
    return form.split()[0]


def factors(form):
    keys = jax.random.split(jax.random.key(len(form)), 3)
    x, y = (jax.random.normal(k, s) for k, s in zip(keys[:2], FORMS[form], strict=True))
    cotangent = jax.random.normal(keys[2], jnp.einsum(subscripts(form), x, y).shape)
    return x, y, cotangent


def value_and_gradients(form, dtype):
    def run(x, y, cotangent):
        value, pull = jax.vjp(lambda x, y: product(subscripts(form), x, y, dtype), x, y)
        return value, *pull(cotangent)

    return jax.jit(run)(*factors(form))


def plain(form, x, y, cotangent):
    value, pull = jax.vjp(lambda x, y: jnp.einsum(subscripts(form), x, y), x, y)
    return value, *pull(cotangent)


def rounded(x):
    return x.astype(jnp.bfloat16).astype(jnp.float32)


def test_every_product_is_tested_here():
    sources = Path(bert_jax.__file__).parent.rglob("*.py")
    found = {m for p in sources for m in re.findall(r'product\("([^"]+)"', p.read_text())}
    assert found == set(map(subscripts, FORMS))


def test_a_kernel_s_gradient_is_turned_where_that_spares_more_than_it_costs():
    def of(form, dtype):
        def run(x, y, cotangent):
            return jax.vjp(lambda y: product(subscripts(form), x, y, dtype), y)[1](cotangent)

        return jax.jit(run).lower(*factors(form)).as_text()

    assert "tensor<33x17xf32>" in of("btd,df->btf", "float32")
    for dtype in ("float32", "bfloat16"):
        assert "transpose" not in of("btd,df->btf", dtype)
        assert "tensor<17x33xf32>" in of("btd,df->btf of many tokens", dtype)


def test_a_float32_product_has_the_values_and_gradients_of_einsum(form):
    for found, expected in zip(
        value_and_gradients(form, "float32"), plain(form, *factors(form)), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", IN_BFLOAT16)
def test_a_bfloat16_product_rounds_its_factors_and_nothing_else(form):
    # Products of two bfloat16 numbers are exact in float32, so only the order of sums differs.
    expected = plain(form, *(rounded(x) for x in factors(form)))
    for found, wanted in zip(value_and_gradients(form, "bfloat16"), expected, strict=True):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", IN_BFLOAT16)
def test_a_result_may_be_rounded_and_gradients_have_the_dtypes_of_their_factors(form):
    x, y, cotangent = factors(form)
    narrow = x.astype(jnp.bfloat16), cotangent.astype(jnp.bfloat16)

    @jax.jit
    def run(x, y, cotangent):
        value, pull = jax.vjp(
            lambda *of: product(subscripts(form), *of, "bfloat16", "bfloat16"), x, y
        )
        return value, *pull(cotangent)

    found = run(narrow[0], y, narrow[1])
    assert [x.dtype for x in found] == [jnp.bfloat16, jnp.bfloat16, jnp.float32]
    expected = plain(form, *(rounded(x) for x in (x, y, cotangent)))
    for one, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.astype(jnp.float32), wanted, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize("form", IN_BFLOAT16)
def test_a_bfloat16_product_is_near_the_float32_product(form):
    expected = plain(form, *factors(form))
    for found, wanted in zip(value_and_gradients(form, "bfloat16"), expected, strict=True):
        error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
        assert 1e-4 < error < 2**-8  # it was rounded, by half a unit of 8 bits at the most


@pytest.mark.parametrize("form", IN_BFLOAT16)
def test_accelerators_are_given_bfloat16_factors_and_float32_sums(form):
    def run(x, y, cotangent):
        value, pull = jax.vjp(lambda x, y: product(subscripts(form), x, y, "bfloat16"), x, y)
        return value, *pull(cotangent)

    program = jax.jit(run).trace(*factors(form)).lower(lowering_platforms=("tpu",)).as_text()
    products = re.findall(r"dot_general.*: \((.*)\) -> (.*)", program)
    assert len(products) == 3
    for inputs, output in products:
        assert len(re.findall("bf16", inputs)) == 2
        assert "xf32" in output
