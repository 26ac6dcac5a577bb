"""Learning rates over a run and its phases."""

import math

import pytest

from bert_jax.errors import ConfigError
from bert_jax.training.optimizer import OptimizerConfig
from bert_jax.training.phases import Phase, PhaseConfig, plan_phases
from bert_jax.training.schedules import Schedule, learning_rate

FIRST = Phase("first", 0, 0, 0, 8, 128, 20, 2)


def optimizer(**changes):
    values = {
        "name": "bert_adamw",
        "learning_rate": 1e-3,
        "warmup_steps": 10,
        "schedule": "linear",
        "end_learning_rate": 0.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-6,
        "weight_decay": 0.01,
        "no_decay": (),
        "clip_norm": 1.0,
    }
    return OptimizerConfig(**values | changes)


def rates(rate, steps):
    return [float(rate(step)) for step in steps]


def test_a_linear_schedule_warms_up_and_decays_over_all_steps():
    rate = learning_rate(Schedule(1e-3, 10, "linear", 0.0), 100)
    expected = {0: 0.0, 1: 1e-4, 9: 9e-4, 10: 9e-4, 50: 5e-4, 99: 1e-5, 100: 0.0, 200: 0.0}
    assert rates(rate, expected) == pytest.approx(list(expected.values()), rel=1e-5, abs=1e-12)


def test_the_rate_steps_down_where_a_long_warm_up_ends():
    rate = learning_rate(Schedule(1e-3, 10, "linear", 0.0), 20)
    assert rates(rate, [9, 10, 11]) == pytest.approx([9e-4, 5e-4, 4.5e-4], rel=1e-5)


def test_a_linear_schedule_ends_where_it_should():
    rate = learning_rate(Schedule(1e-3, 0, "linear", 2e-4), 10)
    assert rates(rate, [0, 5, 10]) == pytest.approx([1e-3, 6e-4, 2e-4], rel=1e-5)


def test_a_cosine_schedule_is_a_cosine():
    rate = learning_rate(Schedule(1e-3, 5, "cosine", 1e-4), 40)
    for step in (5, 17, 39, 40):
        expected = 1e-4 + 9e-4 * (1 + math.cos(math.pi * step / 40)) / 2
        assert float(rate(step)) == pytest.approx(expected, rel=1e-5)


def test_a_constant_schedule_stays_after_warm_up():
    rate = learning_rate(Schedule(1e-3, 4, "constant", 0.0), 10)
    assert rates(rate, [1, 4, 9, 50]) == pytest.approx([2.5e-4, 1e-3, 1e-3, 1e-3], rel=1e-6)


def test_later_phases_take_the_last_steps_and_keep_what_they_do_not_change():
    later = {
        "long": PhaseConfig(20, max_seq_length=512, max_predictions=80),
        "last": PhaseConfig(10, batch_size=4),
    }
    phases = plan_phases(100, FIRST, later, optimizer()).phases
    assert phases == (
        Phase("first", 0, 0, 70, 8, 128, 20, 2),
        Phase("long", 1, 70, 90, 8, 512, 80, 2),
        Phase("last", 2, 90, 100, 4, 512, 80, 2),
    )


def test_a_phase_packs_as_the_one_before_it_until_it_says_otherwise():
    later = {
        "packed": PhaseConfig(20, packed_length=512, packed_sequences=6),
        "same": PhaseConfig(10, max_seq_length=512),
        "not": PhaseConfig(10, packed_length=0),
    }
    phases = plan_phases(100, FIRST, later, optimizer()).phases
    assert [p.packed_length for p in phases] == [0, 512, 512, 0]
    assert [p.row_length for p in phases] == [128, 512, 512, 512]
    assert [p.packed_sequences for p in phases] == [1, 6, 6, 6]


def test_without_a_restart_the_schedule_runs_on():
    whole = plan_phases(100, FIRST, {}, optimizer()).rate
    cut = plan_phases(100, FIRST, {"long": PhaseConfig(20)}, optimizer()).rate
    steps = range(101)
    assert rates(cut, steps) == rates(whole, steps)


def test_a_restart_ends_the_schedule_before_it_and_warms_up_anew():
    change = PhaseConfig(20, restart_schedule=True, learning_rate=5e-4, warmup_steps=4)
    rate = plan_phases(100, FIRST, {"long": change}, optimizer()).rate
    before = learning_rate(Schedule(1e-3, 10, "linear", 0.0), 80)
    after = learning_rate(Schedule(5e-4, 4, "linear", 0.0), 20)
    assert rates(rate, range(80)) == rates(before, range(80))
    assert rates(rate, range(80, 101)) == rates(after, range(21))
    assert float(rate(84)) == pytest.approx(4e-4)


def test_a_restart_keeps_the_peak_and_warm_up_that_it_does_not_change():
    change = PhaseConfig(50, restart_schedule=True, warmup_steps=0)
    rate = plan_phases(100, FIRST, {"long": change}, optimizer()).rate
    assert float(rate(50)) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("steps", "later", "message"),
    [
        (0, {}, "steps=0: at least one step"),
        (20, {"long": PhaseConfig(20)}, r"first phase beside those of config.phases \(20\)"),
        (20, {"long": PhaseConfig(0)}, "config.phases.long.steps=0 must be"),
        (20, {"long": PhaseConfig(5, learning_rate=1.0)}, "set restart_schedule=True"),
        (20, {"long": PhaseConfig(5, warmup_steps=0)}, "set restart_schedule=True"),
        (20, {"long": PhaseConfig(5, batch_size=3)}, "batch_size=3 is not a multiple of"),
        (20, {"long": PhaseConfig(5, batch_size=-2)}, "batch_size=-2 must be at least 1"),
        (
            20,
            {"long": PhaseConfig(5, packed_length=64)},
            "packed_length=64 of the long phase is less than its max_seq_length=128",
        ),
        (20, {"long": PhaseConfig(5, packed_length=-1)}, "packed_length=-1 of the long phase is"),
        (20, {"long": PhaseConfig(5, packed_sequences=-1)}, "packed_sequences=-1 must be at"),
    ],
)
def test_what_cannot_be_planned_is_refused(steps, later, message):
    with pytest.raises(ConfigError, match=message):
        plan_phases(steps, FIRST, later, optimizer())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "adam"),
        ("schedule", "exponential"),
        ("learning_rate", 0.0),
        ("warmup_steps", -1),
        ("epsilon", -1e-6),
        ("beta1", 1.0),
        ("beta2", -0.1),
    ],
)
def test_an_optimizer_of_impossible_values_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        optimizer(**{field: value})
