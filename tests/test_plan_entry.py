"""The entry, as far as it goes before JAX is started."""

import pytest

from bert_jax import plan
from bert_jax.errors import ConfigError
from bert_jax.planning import target


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--topology=v9:4x4", "--topology=v9:4x4: wants CHIP:SHAPE with a chip of cpu, v4, v5e"),
        ("--target=there", "--target=there: value should be one of <here>"),
        ("--efficiency=much", "--efficiency=much"),
        ("--topology=h100:8", r"the CUDA compiler is not installed; pip install -e '.\[plan-gpu\]"),
    ],
)
def test_what_is_wrong_is_said_before_a_config_asks_for_devices(argument, message, monkeypatch):
    monkeypatch.setattr(target, "_installed", lambda module: False)
    with pytest.raises(ConfigError, match=message):
        plan.settle(["plan", "--config=configs/pretrain.py:tiny,cpu", argument])


def test_flags_of_others_are_left_alone():
    plan.settle(["plan", "--config.train.steps=3", "--config=a.py:base,tpu", "--watts=300"])
