"""What a search may choose from is read from the command line, or refused in one clear line."""

import math

import pytest

from bert_jax.errors import ConfigError
from bert_jax.sweeps.checking import check_runs
from bert_jax.sweeps.space import Choice, Range, Space, read_space

VALUES = {
    "name": "a",
    "lengths": (8,),
    "train": {"batch_size": 32, "parts": 1},
    "optimizer": {"learning_rate": 0.1, "decay": 0.0},
}


def read(field, text):
    if field == "lengths":
        return tuple(int(word) for word in text.strip("()").split(",") if word)
    if field == "name":
        return text
    try:
        return float(text) if field.startswith("optimizer.") else int(text)
    except ValueError:
        raise ValueError("wants a number") from None


def build(values):
    if values["train"]["batch_size"] % values["train"]["parts"]:
        raise ConfigError("config.train: parts do not fit")
    if values["optimizer"]["learning_rate"] > 1:
        raise ConfigError("config.optimizer: wants 1 at most")


def check(asked):
    return check_runs(asked, source="--search", values=VALUES, common={}, read=read, build=build)


def space(*texts):
    return read_space(texts, check)


def test_a_field_is_a_range_or_some_values():
    found = space(
        "optimizer.learning_rate=1e-5..1e-3:log",
        "optimizer.decay=0...5",
        "train.batch_size=8..64",
        "lengths=(8,16),(32,)",
        "name=../one,0..two",
    )
    assert found.fields == {
        "optimizer.learning_rate": Range(1e-5, 1e-3, log=True, whole=False),
        "optimizer.decay": Range(0.0, 0.5, log=False, whole=False),
        "train.batch_size": Range(8, 64, log=False, whole=True),
        "lengths": Choice(("(8,16)", "(32,)"), ((8, 16), (32,))),
        "name": Choice(("../one", "0..two"), ("../one", "0..two")),
    }
    assert found.size == math.inf
    assert space("train.batch_size=8..64", "name=a,b").size == 114
    assert found.as_json()["optimizer.decay"] == {"low": 0.0, "high": 0.5, "log": False}
    assert found.as_json()["name"] == {"values": ["../one", "0..two"]}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["seed"], "--search seed: wants FIELD=LOW..HIGH, FIELD=LOW..HIGH:log or FIELD=VALUE"),
        (["=1..2"], "--search =1..2: wants FIELD=LOW"),
        (["lerning_rate=1..2"], "--search lerning_rate: no such field; the nearest is optimizer.l"),
        (["seed=0,1,2"], "a search would settle on the luckiest seed; leave it out"),
        (["name="], "--search name=: wants two values or more, or a range"),
        (["name=a"], "wants two values or more"),
        (["name=a,,b"], "wants two values or more"),
        (["train.parts=1..2:lin"], "wants two values or more, or a range; FIELD=LOW..HIGH"),
        (["train.parts=2..2"], "--search train.parts=2..2: the range has one value; set it by"),
        (["train.parts=3..1"], "--search train.parts=3..1: the range is empty; wants the lower"),
        (["optimizer.decay=0..1:log"], "on a logarithmic scale the lower end wants to be above 0"),
        (["train.parts=1..2", "train.parts=4,5"], "--search train.parts=4,5: train.parts is sear"),
        (["train.batch_size=1..1.5"], "--search train.batch_size=1.5: wants a number"),
        (["name=1..2"], "--search name=1..2: the field's values are no numbers"),
        (["train.parts=1,01"], "--search train.parts: has the value 1 twice"),
        (["optimizer.learning_rate=1..2"], "learning_rate=2: config.optimizer: wants 1 at most"),
        (["train.parts=1,5"], "--search train.parts=5: config.train: parts do not fit"),
    ],
)
def test_what_cannot_be_searched_is_named(texts, message):
    with pytest.raises(ConfigError) as caught:
        space(*texts)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "place", "text"),
    [
        (Range(1e-5, 1e-3, True, False), 1.23456e-4, "0.000123"),
        (Range(1e-5, 1e-3, True, False), 9.9999e-4, "0.001"),
        (Range(1.2345e-5, 1e-3, True, False), 1.2345e-5, "1.2345e-05"),
        (Range(0.1, 0.11, True, False), 0.1056789, "0.10568"),
        (Range(0.0, 0.5, False, False), 0.123456, "0.1235"),
        (Range(0.0, 0.12348, False, False), 0.12348, "0.12348"),
        (Range(-5e3, 5e3, False, False), 1234.5678, "1230.0"),
        (Range(1, 64, True, True), 7.0, "7"),
    ],
)
def test_a_value_is_as_short_as_the_range_lets_it_be_and_within_it(field, place, text):
    assert field.text(field.rounded(place)) == text
    assert field.place(float(text)) is not None


def test_a_run_stands_in_the_space_or_outside():
    fields = {
        "rate": Range(0.1, 0.2, False, False),
        "size": Range(1, 4, False, True),
        "lengths": Choice(("(8,)", "(16,)"), ((8,), (16,))),
    }
    inside = {"rate": 0.2, "size": 4, "lengths": [16]}  # JSON has no tuples
    places = Space(fields).places(inside)
    assert places == {"rate": 0.2, "size": 4, "lengths": 1}
    assert Space(fields).texts(places) == {"rate": "0.2", "size": "4", "lengths": "(16,)"}
    for change in ({"rate": 0.3}, {"size": 0}, {"lengths": [8, 16]}, {"rate": "0.1"}, {"seed": 0}):
        assert Space(fields).places(inside | change) is None
    assert Space(fields).places({"rate": 0.2, "size": 4}) is None
