"""Run the same training many times with other values of some fields, and compare.

    python -m bert_jax.sweep --verb=finetune --config=configs/finetune.py:mrpc \\
        --config.data.path=glue/MRPC --config.init_from=MODEL \\
        --grid optimizer.learning_rate=2e-5,3e-5,5e-5 --grid seed=0:5 --workdir=runs/mrpc-sweep

Every combination is a run of its own, in a folder of its own. The same command continues a sweep
that was stopped; more values of the same fields add runs to it. `--sweep=FILE` takes the place of
the grids: a Python file with

    def sweep():
        yield {"optimizer.learning_rate": 1e-4, "seed": 0}
"""

from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from bert_jax import cli
from bert_jax.errors import ConfigError
from bert_jax.sweeps.checking import check_runs
from bert_jax.sweeps.grid import read_grid
from bert_jax.sweeps.launchers import make_launcher
from bert_jax.sweeps.plan import Plan
from bert_jax.sweeps.sweep_file import read_sweep_file
from bert_jax.sweeps.sweeping import sweep

_VERB = flags.DEFINE_string("verb", "", "What each run does: pretrain or finetune.")
_GRID = flags.DEFINE_multi_string("grid", [], "FIELD=VALUE,VALUE or FIELD=FIRST:END; may repeat.")
_SWEEP = flags.DEFINE_string("sweep", None, "In place of --grid: a Python file with `sweep`.")
_JOBS = flags.DEFINE_integer("jobs", 1, "Runs at once.", lower_bound=1)
_METRIC = flags.DEFINE_string("metric", "", "To rank by; without it the task's first, or the loss.")
_LAUNCHER = flags.DEFINE_string("launcher", "local", "Where the runs go: local or slurm.")
_SLURM = flags.DEFINE_multi_string("slurm", [], "Option of sbatch: partition=gpu; may repeat.")


def main(arguments: cli.Arguments) -> int:
    """Check every run, then run those that have not finished."""
    assert arguments.workdir is not None
    verb, values = _VERB.value, arguments.config.to_dict()
    config_class = _config_class(verb)
    if bool(_GRID.value) == bool(_SWEEP.value):
        raise ConfigError("wants one of --grid=FIELD=VALUE,VALUE and --sweep=FILE")
    source = f"--sweep={_SWEEP.value}:" if _SWEEP.value else "--grid"
    asked = read_sweep_file(Path(_SWEEP.value)) if _SWEEP.value else read_grid(_GRID.value)
    config = config_flags.get_config_filename(flags.FLAGS["config"])
    common = _overrides(flags.FLAGS)
    overrides = check_runs(
        asked,
        source=source,
        values=values,
        common=common,
        read=lambda field, text: _read(config, field, text),
        build=lambda values: cli.build(config_class, values, "config"),
    )
    plan = Plan(verb, config, common, values, overrides)
    folder = arguments.workdir
    launcher = make_launcher(_LAUNCHER.value, folder, _JOBS.value, _SLURM.value)
    return sweep(plan, folder, launcher, _METRIC.value)


def _config_class(verb: str) -> type:
    from bert_jax.runs.finetuning_config import FinetuneConfig
    from bert_jax.runs.pretraining_config import PretrainConfig

    classes = {"pretrain": PretrainConfig, "finetune": FinetuneConfig}
    if verb not in classes:
        raise ConfigError(f"--verb={verb}: wants {' or '.join(classes)}")
    return classes[verb]


def _read(config: str, field: str, text: str) -> Any:
    """Read a field's value as the command line of a run does."""
    words = ["run", f"--config={config}", f"--config.{field}={text}"]
    known = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=known, sys_argv=words)
    try:
        known(words)
    except (flags.Error, AttributeError, KeyError, TypeError) as error:
        raise ValueError(str(error).removeprefix(f"flag {words[-1]}: ")) from error
    return _overrides(known)[field]


def _overrides(known: flags.FlagValues) -> dict[str, Any]:
    """Return the fields that a command line sets, as plain values."""
    found = config_flags.get_override_values(known["config"])
    return {k: v.to_dict() if isinstance(v, ConfigDict) else v for k, v in found.items()}


if __name__ == "__main__":
    import jax

    # This process only checks configs. An accelerator is for the runs, and may serve one at a time.
    jax.config.update("jax_platforms", "cpu")
    cli.run(main)
