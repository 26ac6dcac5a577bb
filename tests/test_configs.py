"""Every config file loads, and what it says can be built."""

import importlib
import inspect
import json
import sys
import warnings
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from bert_jax import cli
from bert_jax.data.preparation_config import PrepareConfig
from bert_jax.errors import ConfigError
from bert_jax.model import SIZES, BertConfig
from bert_jax.model.config import ATTENTIONS
from bert_jax.processor import multiplies_bfloat16
from bert_jax.runs.finetuning_config import FinetuneConfig
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.runs.tasks import usual_length
from bert_jax.tasks.table import TASKS
from bert_jax.training.phases import Phase, plan_phases
from configs import finetune, pretrain, two_cores
from configs.profiles import PROFILES

FOLDER = Path(__file__).resolve().parents[1] / "configs"
SHARED = ("__init__", "profiles")  # what configs are made with
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED)
ACCELERATORS = ("cpu", "gpu", "tpu")


def cases():
    for name in NAMES:
        if name in ("prepare", "finetune"):
            continue
        get_config = importlib.import_module(f"configs.{name}").get_config
        if not inspect.signature(get_config).parameters:
            yield name, ""
            continue
        if name == "two_cores":  # sizes alone, and not all
            yield from ((name, size) for size in ("", *two_cores.SIZES))
            continue
        for size in SIZES:
            for accelerator in ACCELERATORS:
                yield name, f"{size},{accelerator}"


def dtype_on(accelerator):
    halves = accelerator in ("gpu", "tpu") or multiplies_bfloat16()
    return "bfloat16" if halves else "float32"


@pytest.mark.parametrize(("multiplies", "on_cpu"), [(True, "bfloat16"), (False, "float32")])
def test_on_a_cpu_the_processor_decides_in_what_products_are(monkeypatch, multiplies, on_cpu):
    monkeypatch.setattr(pretrain, "multiplies_bfloat16", lambda: multiplies)
    for get_config, what in ((pretrain.get_config, "tiny"), (finetune.get_config, "mrpc")):
        assert get_config(f"{what},cpu").compute_dtype == on_cpu
        assert get_config(f"{what},gpu").compute_dtype == "bfloat16"
        assert get_config(f"{what},cpu").activation_dtype == "float32"
        assert get_config(f"{what},gpu").activation_dtype == "bfloat16"


@pytest.mark.parametrize(("name", "arguments"), list(cases()))
def test_a_config_builds_everything_that_a_run_is_made_of(name, arguments):
    get_config = importlib.import_module(f"configs.{name}").get_config
    values = (get_config(arguments) if arguments else get_config()).to_dict()
    config = cli.build(PretrainConfig, values, "config")
    model = config.model | {"vocab_size": 30_522}
    built = cli.build(BertConfig, model, "config.model")
    if arguments:
        size, _, accelerator = arguments.partition(",")
        assert built.hidden_size == SIZES[size]["hidden_size"]
        assert config.compute_dtype == dtype_on(accelerator)
    assert config.execution(built, "cpu", 512).attention == "plain"
    prepare = {k: v for k, v in config.prepare.items() if k != "workers"}
    cli.build(PrepareConfig, prepare | {"input": "builtin"}, "config.prepare")
    train = config.train
    first = Phase("first", 0, 0, train.steps, train.batch_size, train.max_seq_length,
                  train.max_predictions, train.gradient_accumulation)  # fmt: skip
    plan = plan_phases(train.steps, first, config.phases, config.optimizer)
    assert plan.phases[-1].end == train.steps
    assert all(p.max_seq_length <= built.max_position_embeddings for p in plan.phases)


@pytest.mark.parametrize(
    ("platform", "changes", "found"),
    [
        ("gpu", {"model.attention_probs_dropout_prob": 0.0}, "cudnn"),
        ("gpu", {"attention": "auto", "model.attention_probs_dropout_prob": 0.0}, "cudnn"),
        ("gpu", {"attention": "auto"}, "plain"),
        ("tpu", {"attention": "auto", "model.attention_probs_dropout_prob": 0.0}, "plain"),
        ("cpu", {"attention": "auto"}, "plain"),
        ("tpu", {"model.attention_probs_dropout_prob": 0.0}, "splash"),
        ("cpu", {"model.attention_probs_dropout_prob": 0.0}, "'fused': there is no fused kernel"),
        ("gpu", {}, "'fused': no fused kernel drops attention probabilities"),
        ("tpu", {"attention": "splash"}, "='splash' must be 'auto', 'plain' or 'fused'"),
    ],
)
def test_fused_attention_is_the_platform_s_kernel_or_an_error(platform, changes, found):
    from configs.pretrain import get_config

    config = get_config("tiny,gpu")
    config.update_from_flattened_dict({"attention": "fused"} | changes)
    built = cli.build(PretrainConfig, config.to_dict(), "config")
    model = cli.build(BertConfig, built.model | {"vocab_size": 100}, "config.model")
    if found in ATTENTIONS:
        assert built.execution(model, platform, 512).attention == found
        return
    with pytest.raises(ConfigError, match=f"^config.attention=?.*{found}"):
        built.execution(model, platform, 512)


def test_short_rows_are_fused_on_a_gpu_whatever_is_dropped():
    from configs.pretrain import get_config

    built = cli.build(PretrainConfig, get_config("tiny,gpu").to_dict(), "config")
    model = cli.build(BertConfig, built.model | {"vocab_size": 100}, "config.model")
    assert model.attention_probs_dropout_prob == 0.1
    assert built.execution(model, "gpu", 128).attention == "short"


def test_the_prepare_config_builds():
    from configs import prepare

    fields = prepare.get_config().to_dict() | {"input": "builtin"}
    del fields["output"], fields["workers"]
    cli.build(PrepareConfig, fields, "config")


@pytest.mark.parametrize("accelerator", ACCELERATORS)
@pytest.mark.parametrize("task", [*TASKS, "own", "tags"])
def test_the_finetune_config_builds_for_every_task(task, accelerator):
    values = finetune.get_config(f"{task},{accelerator}").to_dict()
    config = cli.build(FinetuneConfig, values, "config")
    assert config.task == task and config.init_from is None
    assert config.compute_dtype == dtype_on(accelerator)
    is_question = task in TASKS and TASKS[task].head == "span"
    assert config.train.max_seq_length == 0
    assert usual_length(task) == (384 if is_question else 128)


@pytest.mark.parametrize("word", ["cuda", "base", "google", ""])
def test_behind_a_task_stands_an_accelerator_and_nothing_else(word):
    with pytest.raises(ValueError, match="is no accelerator: cpu, gpu, tpu"):
        finetune.get_config(f"sst2,{word}")


def test_the_paper_recipe_trains_its_last_tenth_at_512():
    from configs import bert

    config = bert.get_config("base,tpu")
    assert config.train.steps == 1_000_000 and config.phases.long.steps == 100_000
    assert (config.train.max_seq_length, config.phases.long.max_seq_length) == (128, 512)
    assert not config.phases.long.restart_schedule


@pytest.mark.parametrize("arguments", ["huge", "base,cuda", "base,gpu,x", "tiny,Google"])
def test_an_unknown_word_behind_the_colon_is_refused_with_those_known(arguments):
    with pytest.raises(ValueError, match="tiny, mini, .*cpu, gpu, tpu, google, huggingface"):
        pretrain.get_config(arguments)


def flattened(values, prefix=""):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def test_the_profiles_differ_in_what_the_two_compute_differently_and_in_nothing_else():
    google, huggingface = (
        dict(flattened(pretrain.get_config(f"base,cpu,{name}").to_dict())) for name in PROFILES
    )
    assert google.keys() == huggingface.keys()
    differences = {k: (google[k], huggingface[k]) for k in google if google[k] != huggingface[k]}
    assert differences == {
        "profile": ("google", "huggingface"),
        "model.hidden_act": ("gelu_new", "gelu"),
        "model.initializer": ("truncated_normal", "normal"),
        "optimizer.name": ("bert_adamw", "adamw"),
        "optimizer.epsilon": (1e-6, 1e-8),
        "optimizer.schedule": ("linear", "linear_after_warmup"),
    }


@pytest.mark.parametrize("name", ["pretrain", "bert"])
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_builds_in_every_config_that_takes_one_and_is_kept_by_name(name, profile):
    values = importlib.import_module(f"configs.{name}").get_config(f"cpu,{profile}").to_dict()
    config = cli.build(PretrainConfig, values, "config")
    cli.build(BertConfig, config.model | {"vocab_size": 30_522}, "config.model")
    assert json.loads(json.dumps(values))["profile"] == config.profile == profile


def test_google_is_the_profile_of_those_who_name_none():
    assert (
        pretrain.get_config("tiny,cpu").to_dict()
        == pretrain.get_config("cpu,google,tiny").to_dict()
    )


@pytest.fixture
def parsed(monkeypatch):
    """A function (flags) that gives the config after a command line."""

    def parse(*arguments):
        config = f"--config={FOLDER / 'pretrain.py'}:tiny,cpu,huggingface"
        monkeypatch.setattr("sys.argv", ["pretrain", config, *arguments])
        values = flags.FlagValues()
        config_flags.DEFINE_config_file("config", flag_values=values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # ml_collections loads files so
            values(sys.argv)
        return values.config

    return parse


def test_a_flag_overrides_a_field_of_a_profile_and_leaves_the_others(parsed):
    config = parsed("--config.model.hidden_act=relu")
    assert (config.profile, config.model.hidden_act) == ("huggingface", "relu")
    assert config.model.initializer == "normal"


@pytest.mark.parametrize("name", ["google", "huggingface", "other"])
def test_a_flag_cannot_rename_a_profile_and_leave_its_fields(name, parsed):
    with pytest.raises(flags.Error, match="chosen behind the colon, .*google, huggingface"):
        parsed(f"--config.profile={name}")


@pytest.mark.parametrize("name", NAMES)
def test_a_config_says_how_it_is_used(name):
    docstring = importlib.import_module(f"configs.{name}").__doc__
    assert "python -m bert_jax." in docstring and "--config=" in docstring
