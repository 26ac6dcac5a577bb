"""What tests of planning share: one small step, compiled once for eight devices."""

import dataclasses

import jax
import pytest

from bert_jax import cli
from bert_jax.objectives.masking import Vocabulary
from bert_jax.planning.compiling import compile_step
from bert_jax.planning.target import Target
from bert_jax.runs.pretraining import assemble_step
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.training.chips import CHIPS

VOCABULARY = Vocabulary(64, 4, (0, 2, 3))
FLOAT32 = {"compute_dtype": "float32"}  # whatever the machine at hand multiplies
MESH = {"mesh.data": 2, "mesh.tensor": 4}


@pytest.fixture(scope="session")
def planned_config(small_overrides):
    """A function (changes by dotted name) that gives a small run's config; it names no corpus."""
    from configs import quickstart

    def make(changes=None):
        config = quickstart.get_config()
        config.update_from_flattened_dict(small_overrides | MESH | FLOAT32 | (changes or {}))
        return cli.build(PretrainConfig, config.to_dict(), "config")

    return make


@pytest.fixture(scope="session")
def small_step(planned_config):
    """A function (changes by dotted name) that puts a small step together, for eight devices."""

    def make(changes=None):
        config = planned_config(changes)
        return assemble_step(config, VOCABULARY, config.sharding(jax.devices()))

    return make


@pytest.fixture(scope="session")
def chip():
    """A chip of round figures: four to a domain."""
    return dataclasses.replace(
        CHIPS[0],
        flops=1e12,
        flops_float32=5e11,
        memory=1e9,
        usable=0.5,
        bandwidth=1e10,
        link=1e9,
        domain=4,
        network=1e8,
    )


@pytest.fixture(scope="session")
def target(chip):
    return Target("eight", jax.devices(), chip, "cpu", notes=("a note",))


@pytest.fixture(scope="session")
def compiled(small_step, target):
    """The small step compiled for data=2, tensor=4."""
    step = small_step()
    return compile_step(step, step.plan.phases[0], target)
