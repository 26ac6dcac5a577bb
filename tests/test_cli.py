"""From a config's values to dataclasses."""

import dataclasses
from typing import Any

import pytest
from absl import flags
from ml_collections import ConfigDict, config_flags

from bert_jax import cli, pretrain
from bert_jax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Inner:
    size: int
    rate: float = 0.5

    def __post_init__(self):
        if self.size < 0:
            raise ValueError(f"size={self.size} must not be negative")


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str
    flag: bool
    inner: Inner
    maybe: int | None
    words: tuple[str, ...]
    table: dict[str, Inner]
    free: dict[str, Any]


GOOD = {
    "name": "x",
    "flag": True,
    "inner": {"size": 3},
    "maybe": None,
    "words": ["a", "b"],
    "table": {"first": {"size": 1}, "second": {"size": 2, "rate": 1}},
    "free": {"anything": [1, {"at": "all"}]},
}
BUILT = Outer(
    "x",
    True,
    Inner(3),
    None,
    ("a", "b"),
    {"first": Inner(1), "second": Inner(2, 1.0)},
    {"anything": [1, {"at": "all"}]},
)


def test_nested_values_become_dataclasses():
    assert cli.build(Outer, GOOD, "config") == BUILT


def test_a_config_dict_is_as_good_as_a_dict():
    assert cli.build(Outer, ConfigDict(GOOD), "config").table == BUILT.table


def test_a_whole_number_may_stand_for_a_float_and_becomes_one():
    assert type(cli.build(Inner, {"size": 1, "rate": 2}, "config").rate) is float


def test_an_optional_field_takes_its_type_too():
    assert cli.build(Outer, GOOD | {"maybe": 4}, "config").maybe == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nmae": "x"}, r"^config\.nmae: no such field; the nearest is config\.name$"),
        ({"zzzzz": "x"}, r"^config\.zzzzz: no such field$"),
        ({"inner": {"sise": 1}}, r"^config\.inner\.sise: .* nearest is config\.inner\.size$"),
        ({"inner": {}}, r"^config\.inner\.size: missing"),
        ({"inner": {"size": -1}}, r"^config\.inner: size=-1 must not be negative$"),
        ({"inner": 3}, r"^config\.inner: got 3, wants a group of fields$"),
        ({"name": 1}, r"^config\.name: got 1, wants str$"),
        ({"name": None}, r"^config\.name: got None, wants str$"),
        ({"flag": 1}, r"^config\.flag: got 1, wants bool$"),
        ({"maybe": "1"}, r"^config\.maybe: got '1', wants int$"),
        ({"inner": {"size": True}}, r"^config\.inner\.size: got True, wants int$"),
        ({"inner": {"size": 1.0}}, r"^config\.inner\.size: got 1.0, wants int$"),
        ({"inner": {"size": 1, "rate": True}}, r"^config\.inner\.rate: got True, wants float$"),
        ({"words": "ab"}, r"^config\.words: got 'ab', wants a list$"),
        ({"words": ["a", 1]}, r"^config\.words\[1\]: got 1, wants str$"),
        ({"table": 3}, r"^config\.table: got 3, wants a group of fields$"),
        ({"table": {"first": {"sizes": 1}}}, r"^config\.table\.first\.sizes: no such field"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        cli.build(Outer, GOOD | change, "config")


def test_a_missing_field_is_named():
    with pytest.raises(ConfigError, match=r"^config\.name: missing"):
        cli.build(Outer, {k: v for k, v in GOOD.items() if k != "name"}, "config")


def test_an_error_is_one_line_of_text_whatever_is_in_it(capsys):
    with pytest.raises(SystemExit) as left:
        cli._leave("column 'a\nb\x1b[2Jé中'", 3)
    assert left.value.code == 3
    assert capsys.readouterr().err == "error: column 'a\\nb\\x1b[2Jé中'\n"


def test_what_stands_behind_two_dashes_is_passed_on():
    assert cli._cut(["prepare", "--a=1", "--", "--b", "--", "c"]) == (
        ["prepare", "--a=1"],
        ("--b", "--", "c"),
    )
    assert cli._cut(["prepare", "--a=1"]) == (["prepare", "--a=1"], ())


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # of ml_collections
def test_how_long_to_train_is_said_once(monkeypatch, tmp_path):
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values)
    given = ["--config.budget_minutes=60", "--config.train.steps=500"]
    argv = ["command", "--config=configs/quickstart.py", *given]
    monkeypatch.setattr("sys.argv", argv)  # where the library looks for fields
    values(argv)
    monkeypatch.setattr(flags, "FLAGS", values)
    overridden = cli._overridden(True)
    assert overridden == ("budget_minutes", "train.steps") and cli._overridden(False) == ()
    arguments = cli.Arguments(values.config, tmp_path / "run", "the command", overridden=overridden)
    message = "--config.budget_minutes=60 and --config.train.steps=500: both say how long to train"
    with pytest.raises(ConfigError, match=message):
        pretrain.main(arguments)
    assert not (tmp_path / "run").exists()
