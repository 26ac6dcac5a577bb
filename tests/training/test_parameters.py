"""The table of parameters, and whether they lie where it says."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from bert_jax.errors import ConfigError
from bert_jax.training.parameters import check_placed


def test_an_array_that_lies_elsewhere_than_it_was_asked_to_is_an_error_that_names_it():
    mesh = jax.make_mesh((4, 2), ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2)
    cut, whole = (NamedSharding(mesh, PartitionSpec(*spec)) for spec in (("fsdp",), ()))
    arrays = {"bias": jnp.zeros(8), "kernel": jnp.zeros((8, 2))}
    state = jax.device_put(arrays, {"bias": whole, "kernel": cut})
    same = NamedSharding(mesh, PartitionSpec(("fsdp",), None))  # said in another way
    check_placed(state, {"bias": whole, "kernel": same})
    for asked, name in (((cut, cut), "bias"), ((whole, whole), "kernel")):
        with pytest.raises(
            ConfigError, match=rf"^config\.rules: {name} was to lie as NamedSharding"
        ):
            check_placed(state, dict(zip(("bias", "kernel"), asked, strict=True)))
