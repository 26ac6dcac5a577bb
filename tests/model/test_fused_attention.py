"""Fused attention gives what the plain one gives, forward and backward.

Its kernels run on TPUs and GPUs alone. Here splash and the one for short rows are interpreted, and
in cuDNN's place stands the other implementation of the function that calls it: layout, scale,
lengths and masks are ours.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel

from bert_jax.model import BertConfig, Execution, kernel_of
from bert_jax.model.attention import SelfAttention, what_is_visible
from bert_jax.model.fused_attention import Visible, fused_attention
from bert_jax.training.activations import Activations
from bert_jax.training.sharding import MeshConfig, Sharding, make_mesh

CONFIG = BertConfig(8, 32, 1, 2, 8, attention_probs_dropout_prob=0.0)
ROWS, LENGTH = 4, 144  # no multiple of the 128 that splash takes
SHORT = 100  # no power of two, as blocks of short rows are
RULES = {
    "batch": ("data", "fsdp"),
    "sequence": ("sequence",),
    "heads": ("tensor",),
    **{name: () for name in ("vocab", "embed", "mlp", "position", "norm", "class")},
}


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch):
    """Kernels that a CPU can run."""
    made = functools.partial(splash_attention_kernel.make_splash_mha, interpret=True)
    monkeypatch.setattr(splash_attention_kernel, "make_splash_mha", made)
    called = jax.nn.dot_product_attention

    def by_xla(*factors, implementation, **rest):
        assert implementation == "cudnn"
        return called(*factors, implementation="xla", **rest)

    monkeypatch.setattr(jax.nn, "dot_product_attention", by_xla)


@pytest.fixture(scope="module")
def hidden():
    return jax.random.normal(jax.random.key(0), (ROWS, LENGTH, 32))


@pytest.fixture(scope="module")
def params(hidden):
    """Drawn wide, so that some keys are seen far more than others."""
    plain = SelfAttention(CONFIG, Execution())
    shapes = jax.eval_shape(
        lambda: plain.init(jax.random.key(0), hidden, jnp.zeros((ROWS, 1, 1, LENGTH)), None)
    )
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.float32(0.3 * rng.standard_normal(leaf.shape)), shapes)


@pytest.fixture(scope="module")
def masks():
    """What may be seen: rows of several lengths, and rows that sequences share."""
    place = np.arange(LENGTH)
    padded = (place < np.array([[LENGTH], [100], [1], [130]])).astype(np.int32)
    ends = np.array([[20, 90, 140], [144, 144, 144], [1, 2, 3], [70, 128, 144]])
    packed = 1 + (place >= ends[:, :, None]).sum(axis=1)
    return {"padded": padded, "packed": np.where(packed > 3, 0, packed).astype(np.int32)}


def run(hidden, params, mask, packed, execution, config=CONFIG, key=None):
    """Attend; return the result, and the gradients of a function of it that padding has no part in.

    Padding does not see in all implementations what it sees in the plain one.
    """
    attention = SelfAttention(config, execution)
    real = (mask != 0)[:, :, None]

    @jax.jit
    def both(hidden, params, mask):
        visible = what_is_visible(mask, mask if packed else None, execution)

        def score(hidden, params):
            found = attention.apply(params, hidden, visible, key).sum()
            return jnp.sum(jnp.where(real, jnp.sin(found), 0)), found

        return jax.value_and_grad(score, (0, 1), has_aux=True)(hidden, params)

    (_, found), gradients = both(hidden, params, mask)
    return jnp.where(real, found, 0), gradients


@pytest.fixture(scope="module")
def expected(hidden, params, masks):
    return {
        kind: run(hidden, params, mask, kind == "packed", Execution())
        for kind, mask in masks.items()
    }


def check_same(found, expected):
    compared = 0
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        largest = float(jnp.abs(other).max())
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * max(10, largest))
        compared += largest > 0.1
    assert compared == 9  # all but the key's bias, whose gradient is 0: it moves all scores alike


@pytest.mark.parametrize("kind", ["padded", "packed"])
@pytest.mark.parametrize("kernel", ["splash", "cudnn"])
def test_it_is_the_plain_attention_forward_and_backward(
    hidden, params, masks, expected, kind, kernel
):
    found = run(hidden, params, masks[kind], kind == "packed", Execution(attention=kernel))
    check_same(found, expected[kind])


@pytest.fixture(scope="module")
def dropping(hidden, params, masks):
    """What the plain attention makes of short rows, of whose probabilities it drops some."""
    config = dataclasses.replace(CONFIG, attention_probs_dropout_prob=0.2)

    def attend(kind, execution):
        rest = (kind == "packed", execution, config, jax.random.key(5))
        return run(hidden[:, :SHORT], params, masks[kind][:, :SHORT], *rest)

    return attend, {kind: attend(kind, Execution()) for kind in masks}


@pytest.mark.parametrize("kind", ["padded", "packed"])
def test_short_rows_drop_what_the_plain_attention_drops(dropping, kind):
    attend, expected = dropping
    check_same(attend(kind, Execution(attention="short")), expected[kind])


@pytest.mark.parametrize("kind", ["padded", "packed"])
def test_what_short_rows_drop_does_not_depend_on_the_devices(dropping, kind):
    attend, expected = dropping
    for mesh in (MeshConfig(2, 1, 2, 2), MeshConfig(1, 4, 1, 2)):
        sharding = Sharding(make_mesh(mesh), RULES)
        execution = Activations(sharding).place(Execution(attention="short"))
        check_same(attend(kind, execution), expected[kind])


def test_longer_rows_are_cudnn_s_where_nothing_is_dropped(hidden, params, masks, expected):
    short = Execution(attention="short")
    check_same(run(hidden, params, masks["padded"], False, short), expected["padded"])
    config = dataclasses.replace(CONFIG, attention_probs_dropout_prob=0.2)
    with pytest.raises(ValueError, match="'cudnn' drops no probabilities"):
        run(hidden, params, masks["padded"], False, short, config, jax.random.key(0))


@pytest.mark.parametrize("kernel", ["splash", "cudnn"])
def test_each_device_computes_its_rows_heads_and_queries(hidden, params, masks, expected, kernel):
    """On one axis or another; queries are cut, what they see is not."""
    sharding = Sharding(make_mesh(MeshConfig(2, 1, 2, 2)), RULES)
    execution = Activations(sharding).place(Execution(attention=kernel))
    found = run(hidden, params, masks["packed"], True, execution)
    check_same(found, expected["packed"])
    parts = []

    def seen(query, key, value, *numbers):
        parts.append([x.shape for x in (query, key, value, *numbers)])
        return query

    asking, asked = ("batch", "sequence", "heads", None), ("batch", None, "heads", None)
    on_each = Activations(sharding).apart(seen, (asking, asked, asked, ("batch", None)), asking)
    jax.eval_shape(on_each, *3 * [jnp.zeros((ROWS, LENGTH, 2, 16))], masks["packed"])
    half, whole = (2, LENGTH // 2, 1, 16), (2, LENGTH, 1, 16)
    assert parts.pop() == [half, whole, whole, (2, LENGTH)]
    # Three rows of one head do not come out even: every device computes them, its queries alone.
    jax.eval_shape(on_each, *3 * [jnp.zeros((3, LENGTH, 1, 16))], masks["packed"][:3])
    assert parts.pop()[:2] == [(3, LENGTH // 2, 1, 16), (3, LENGTH, 1, 16)]


def test_a_row_of_padding_alone_has_numbers(hidden):
    factors = 3 * [hidden[:1, :128].reshape(1, 128, 2, 16)]
    visible = Visible(jnp.zeros((1, 128), jnp.int32), None)

    @jax.jit
    def gradients(*factors):
        def total(execution):
            return lambda *x: fused_attention(*x, visible, execution).sum()

        kernels = [Execution(attention=kernel) for kernel in ("splash", "cudnn", "short")]
        return [jax.grad(total(kernel), (0, 1, 2))(*factors) for kernel in kernels]

    for gradient in jax.tree.leaves(gradients(*factors)):
        assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("platform", "changes", "reason"),
    [
        ("cpu", {}, "no fused kernel on 'cpu'"),
        ("tpu", {"attention_probs_dropout_prob": 0.1}, "attention_probs_dropout_prob=0.0, or"),
        ("gpu", {"attention_probs_dropout_prob": 0.1}, "attention_probs_dropout_prob=0.0, or"),
        ("gpu", {"compute_dtype": "float32"}, "set config.compute_dtype=bfloat16"),
        ("gpu", {"num_attention_heads": 8}, "heads of a multiple of 8"),
        ("gpu", {"attention_probs_dropout_prob": 0.1, "length": 128}, "=0.0, or"),  # 48 wide
    ],
)
def test_what_no_kernel_can_do_is_refused(platform, changes, reason):
    values = vars(CONFIG) | {"hidden_size": 96} | changes
    dtype, length = values.pop("compute_dtype", "bfloat16"), values.pop("length", 512)
    with pytest.raises(ValueError, match=reason):
        kernel_of(platform, BertConfig(**values), dtype, length)


def test_each_platform_has_its_kernel():
    assert kernel_of("gpu", CONFIG, "bfloat16", 129) == "cudnn"
    assert kernel_of("tpu", CONFIG, "float32", 128) == "splash"
    dropping = dataclasses.replace(CONFIG, attention_probs_dropout_prob=0.1)
    assert kernel_of("gpu", dropping, "bfloat16", 128) == "short"


def test_probabilities_are_not_silently_kept_from_being_dropped(hidden, params, masks):
    config = BertConfig(8, 32, 1, 2, 8, attention_probs_dropout_prob=0.1)
    attention = SelfAttention(config, Execution(attention="splash"))
    visible = Visible(jnp.asarray(masks["padded"]), None)
    with pytest.raises(ValueError, match="drops no probabilities"):
        attention.apply(params, hidden, visible, jax.random.key(0))
