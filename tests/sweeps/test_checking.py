"""What cannot be run is found before anything is: an unknown field, a value, a pair of values."""

import pytest

from bert_jax.errors import ConfigError
from bert_jax.sweeps.checking import check_runs

VALUES = {"seed": 0, "train": {"batch_size": 32, "parts": 1}, "optimizer": {"learning_rate": 0.1}}


def read(field, text):
    try:
        return float(text) if field == "optimizer.learning_rate" else int(text)
    except ValueError:
        raise ValueError("wants a number") from None


def build(values):
    if values["train"]["batch_size"] % values["train"]["parts"]:
        raise ConfigError("config.train: parts do not fit")


def check(*asked, common=None):
    return check_runs(
        asked, source="--grid", values=VALUES, common=common or {}, read=read, build=build
    )


def test_values_are_read_as_their_fields_are():
    (run,) = check({"optimizer.learning_rate": "1e-4", "seed": "3"})
    assert run == {"optimizer.learning_rate": 1e-4, "seed": 3} and type(run["seed"]) is int


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"optimizer.lerning_rate": "1"}, "no such field; the nearest is optimizer.learning_rate"),
        ({"parts": "1"}, "--grid parts: no such field; the nearest is train.parts"),
        ({"config.seed": "1"}, "--grid config.seed: no such field; the nearest is seed"),
        ({"zzz": "1"}, "--grid zzz: no such field"),
        ({"seed": "x"}, "--grid seed=x: wants a number"),
        ({"train.parts": "5"}, "--grid train.parts=5: config.train: parts do not fit"),
        ({"train.batch_size": "8"}, "--config.train.batch_size=16 fixes it for all runs; leave"),
    ],
)
def test_what_cannot_be_is_named(run, message):
    with pytest.raises(ConfigError) as caught:
        check({"seed": "0"}, run, common={"train.batch_size": 16})
    assert message in str(caught.value)


def test_each_run_is_built_with_all_that_it_overrides():
    check({"train.batch_size": "30", "train.parts": "5"}, {"seed": "1"})
    with pytest.raises(ConfigError, match=r"^--grid seed=1 train\.parts=5: config\.train"):
        check({"train.batch_size": "30", "train.parts": "5"}, {"seed": "1", "train.parts": "5"})
