"""How activations are cut: by the rules of their dimensions, and not where nobody has to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from bert_jax.training.activations import Activations
from bert_jax.training.sharding import MeshConfig, Sharding, make_mesh
from configs import pretrain

RULES = {name: tuple(axes) for name, axes in pretrain.get_config("tiny,cpu").rules.items()}


def on(mesh, **rules):
    """Activations on devices along data, fsdp, tensor and sequence."""
    devices = jax.devices()[: int(np.prod(mesh))]
    return Activations(Sharding(make_mesh(MeshConfig(*mesh), devices), RULES | rules))


def asked(activations, shape, *dimensions):
    """How a constraint asks for an activation to be cut; None where it asks for nothing."""
    program = jax.make_jaxpr(lambda x: activations.constrain(x, *dimensions))(jnp.zeros(shape))
    specs = [equation.params["sharding"].spec for equation in program.eqns]
    return specs[0] if specs else None


@pytest.mark.parametrize(
    ("shape", "dimensions", "spec"),
    [
        ((16, 8, 32), ("batch", "sequence", None), (("data", "fsdp"), ("sequence",), None)),
        ((16, 8, 32), ("batch", None, "mlp"), (("data", "fsdp"), None, ("tensor",))),
        ((64, 32), ("vocab", None), (("tensor",), None)),
        ((16, 7), ("batch", "sequence"), (("data", "fsdp"), ("sequence",))),  # 4 and 3
        ((3, 8), ("batch", "sequence"), (PartitionSpec.UNCONSTRAINED, ("sequence",))),
    ],
)
def test_activations_are_cut_by_the_rules_of_their_dimensions(shape, dimensions, spec):
    assert asked(on((2, 2, 1, 2)), shape, *dimensions) == PartitionSpec(*spec)


def test_an_axis_cuts_the_first_dimension_of_an_activation_that_has_it():
    both = on((2, 2, 2, 1), mlp=("fsdp", "tensor"), embed=())
    spec = asked(both, (16, 8, 64), "batch", "sequence", "mlp")
    assert spec == PartitionSpec(("data", "fsdp"), ("sequence",), ("tensor",))
    assert asked(both, (8, 64), "sequence", "mlp")[1] == ("fsdp", "tensor")


def test_on_one_device_nothing_is_asked():
    one = on((1, 1, 1, 1))
    assert asked(one, (16, 8, 32), "batch", "sequence", None) is None
    assert one.by_rows(jax.lax.top_k) is jax.lax.top_k


@pytest.mark.parametrize("dimensions", [("batch", "tokens"), ("batch",), ("batch", "embed")])
def test_activations_with_other_dimensions_than_the_model_s_are_refused(dimensions):
    for mesh in ((2, 2, 2, 1), (1, 1, 1, 1)):
        with pytest.raises(ValueError, match=r"\(8, 4\) has no dimensions .* wants one of batch, "):
            on(mesh).constrain(jnp.zeros((8, 4)), *dimensions)


def test_what_is_done_row_by_row_needs_no_other_rows():
    """Which XLA does not see by itself: it gathers what is ranked."""
    whole = on((2, 2, 2, 1))
    scores = jax.device_put(np.random.default_rng(0).random((8, 16)), whole.sharding.batch)

    def compiled(function):
        return jax.jit(lambda x: function(x, 3)).lower(scores).compile()

    alone, by_xla = compiled(whole.by_rows(jax.lax.top_k)), compiled(jax.lax.top_k)
    assert "all-gather" in by_xla.as_text() and "all-gather" not in alone.as_text()
    for found, expected in zip(alone(scores), by_xla(scores), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.sharding.is_equivalent_to(whole.sharding.batch, 2)


def test_arrays_of_rows_are_cut_by_rows_alone():
    whole = on((2, 2, 1, 2))
    program = jax.make_jaxpr(whole.constrain_rows)(
        {"ids": jnp.zeros((8, 6)), "label": jnp.zeros(8)}
    )
    specs = [equation.params["sharding"].spec for equation in program.eqns]
    batch = ("data", "fsdp")
    assert specs == [PartitionSpec(batch, None), PartitionSpec(batch)]
