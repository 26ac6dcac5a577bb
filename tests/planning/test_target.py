"""Devices asked for by name."""

import pytest

from bert_jax.errors import ConfigError
from bert_jax.planning import target
from bert_jax.planning.target import Topology, parse_topology, settle


@pytest.mark.parametrize(
    ("text", "chip", "shape", "devices", "platform"),
    [
        ("v5e:4x4", "v5e", (4, 4), 16, "tpu"),
        ("v5p:2x2x1", "v5p", (2, 2, 1), 4, "tpu"),
        ("h100:8", "h100", (8,), 8, "gpu"),
        ("cpu:2", "cpu", (2,), 2, "cpu"),
    ],
)
def test_a_topology_is_read(text, chip, shape, devices, platform):
    topology = parse_topology(text)
    assert topology == Topology(chip, shape) and str(topology) == text
    assert (topology.devices, topology.platform) == (devices, platform)


@pytest.mark.parametrize("text", ["v5e", "v5e:", "v7:2x2", "h100:2x4", "v5e:0x4", "v5e:4x4x4x4"])
def test_what_is_none_is_refused(text):
    with pytest.raises(ConfigError, match=f"--topology={text}: wants "):
        parse_topology(text)


@pytest.mark.parametrize(("text", "extra"), [("v5e:4x4", "plan-tpu"), ("h100:8", "plan-gpu")])
def test_a_compiler_that_is_missing_is_named_with_how_to_get_it(text, extra, monkeypatch):
    monkeypatch.setattr(target, "_installed", lambda module: False)
    with pytest.raises(ConfigError, match=rf"{text}: the \w+ compiler is not .*\[{extra}\]"):
        settle(parse_topology(text))
