"""Every config file loads, and what it says can be built."""

import importlib
import inspect
from pathlib import Path

import pytest

from bert_jax import cli
from bert_jax.data.preparation_config import PrepareConfig
from bert_jax.model import SIZES, BertConfig, Execution
from bert_jax.runs.pretraining import PretrainConfig, intervals_of
from bert_jax.training.phases import Phase, plan_phases

FOLDER = Path(__file__).resolve().parents[1] / "configs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
ACCELERATORS = ("cpu", "gpu", "tpu")


def cases():
    for name in NAMES:
        if name == "prepare":
            continue
        get_config = importlib.import_module(f"configs.{name}").get_config
        if not inspect.signature(get_config).parameters:
            yield name, ""
            continue
        for size in SIZES:
            for accelerator in ACCELERATORS:
                yield name, f"{size},{accelerator}"


@pytest.mark.parametrize(("name", "arguments"), list(cases()))
def test_a_config_builds_everything_that_a_run_is_made_of(name, arguments):
    get_config = importlib.import_module(f"configs.{name}").get_config
    values = (get_config(arguments) if arguments else get_config()).to_dict()
    config = cli.build(PretrainConfig, values, "config")
    model = config.model | {"vocab_size": 30_522}
    built = cli.build(BertConfig, model, "config.model")
    if arguments:
        size, accelerator = arguments.split(",")
        assert built.hidden_size == SIZES[size]["hidden_size"]
        assert config.compute_dtype == ("float32" if accelerator == "cpu" else "bfloat16")
    Execution(config.compute_dtype, config.scan_layers, config.rematerialize)
    prepare = {k: v for k, v in config.prepare.items() if k != "workers"}
    cli.build(PrepareConfig, prepare | {"input": "builtin"}, "config.prepare")
    intervals_of(config.train)
    train = config.train
    first = Phase("first", 0, 0, train.steps, train.batch_size, train.max_seq_length,
                  train.max_predictions, train.gradient_accumulation)  # fmt: skip
    plan = plan_phases(train.steps, first, config.phases, config.optimizer)
    assert plan.phases[-1].end == train.steps
    assert all(p.max_seq_length <= built.max_position_embeddings for p in plan.phases)


def test_the_prepare_config_builds():
    from configs import prepare

    fields = prepare.get_config().to_dict() | {"input": "builtin"}
    del fields["output"], fields["workers"]
    cli.build(PrepareConfig, fields, "config")


def test_the_paper_recipe_trains_its_last_tenth_at_512():
    from configs import bert

    config = bert.get_config("base,tpu")
    assert config.train.steps == 1_000_000 and config.phases.long.steps == 100_000
    assert (config.train.max_seq_length, config.phases.long.max_seq_length) == (128, 512)
    assert not config.phases.long.restart_schedule


@pytest.mark.parametrize("arguments", ["huge", "base,cuda", "base,gpu,x"])
def test_an_unknown_word_behind_the_colon_is_refused_with_those_known(arguments):
    from configs import pretrain

    with pytest.raises(ValueError, match="tiny, mini, .*cpu, gpu, tpu"):
        pretrain.get_config(arguments)


@pytest.mark.parametrize("name", NAMES)
def test_a_config_says_how_it_is_used(name):
    docstring = importlib.import_module(f"configs.{name}").__doc__
    assert "python -m bert_jax." in docstring and "--config=" in docstring
