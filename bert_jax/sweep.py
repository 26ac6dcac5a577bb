"""Run the same training many times with other values of some fields, and compare.

    python -m bert_jax.sweep --verb=finetune --config=configs/finetune.py:mrpc \\
        --config.data.path=glue/MRPC --config.init_from=MODEL \\
        --grid optimizer.learning_rate=2e-5,3e-5,5e-5 --grid seed=0:5 --workdir=runs/mrpc-sweep

Every combination is a run of its own, in a folder of its own. The same command continues a sweep
that was stopped; more values of the same fields add runs to it. In place of grids, `--sweep=FILE`
takes a Python file whose `sweep()` yields runs as `{"optimizer.learning_rate": 1e-4, "seed": 0}`;
`--search optimizer.learning_rate=1e-5..1e-3:log --search train.batch_size=16,32 --trials=20`
chooses the values of a run by what the runs before it came to.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from bert_jax import cli
from bert_jax.errors import ConfigError
from bert_jax.sweeps.checking import check_runs
from bert_jax.sweeps.grid import read_grid
from bert_jax.sweeps.launchers import make_launcher
from bert_jax.sweeps.plan import Plan
from bert_jax.sweeps.search import make_search
from bert_jax.sweeps.source import Listed, Source
from bert_jax.sweeps.sweep_file import read_sweep_file
from bert_jax.sweeps.sweeping import sweep

_VERB = flags.DEFINE_string("verb", "", "What each run does: pretrain or finetune.")
_GRID = flags.DEFINE_multi_string("grid", [], "FIELD=VALUE,VALUE or FIELD=FIRST:END; may repeat.")
_SWEEP = flags.DEFINE_string("sweep", None, "In place of --grid: a Python file with `sweep`.")
_SEARCH = flags.DEFINE_multi_string(
    "search", [], "FIELD=LOW..HIGH, FIELD=LOW..HIGH:log or FIELD=VALUE,VALUE; may repeat."
)
_TRIALS = flags.DEFINE_integer("trials", None, "Runs of a search, all in all.", lower_bound=1)
_SEARCH_SEED = flags.DEFINE_integer("search_seed", 0, "Of a search's choices.", lower_bound=0)
_JOBS = flags.DEFINE_integer("jobs", 1, "Runs at once.", lower_bound=1)
_METRIC = flags.DEFINE_string("metric", "", "To rank by; without it the task's first, or mlm_loss.")
_LAUNCHER = flags.DEFINE_string("launcher", "local", "Where the runs go: local or slurm.")
_SLURM = flags.DEFINE_multi_string("slurm", [], "Option of sbatch: partition=gpu; may repeat.")


def main(arguments: cli.Arguments) -> int:
    """Check every run, then run those that have not finished."""
    assert arguments.workdir is not None
    verb, values = _VERB.value, arguments.config.to_dict()
    config_class = _config_class(verb)
    config = config_flags.get_config_filename(flags.FLAGS["config"])
    common = cli.overrides(flags.FLAGS)
    check = partial(
        check_runs,
        values=values,
        common=common,
        read=partial(cli.read_field, config),
        build=lambda values: cli.build(config_class, values, "config"),
    )
    source = _source(partial(Plan, verb, config, common, values), check)
    folder, chosen = arguments.workdir, bool(_SEARCH.value)
    launcher = make_launcher(_LAUNCHER.value, folder, _JOBS.value, _SLURM.value, chosen=chosen)
    return sweep(source, folder, launcher, _METRIC.value)


def _source(plan: Callable[..., Plan], check: Callable[..., Any]) -> Source:
    if sum(map(bool, (_GRID.value, _SWEEP.value, _SEARCH.value))) != 1:
        raise ConfigError(
            "wants one of --grid=FIELD=VALUE,VALUE, --sweep=FILE and --search=FIELD=LOW..HIGH"
        )
    if _SEARCH.value:
        check = partial(check, source="--search")
        return make_search(plan, _SEARCH.value, _TRIALS.value, _SEARCH_SEED.value, check)
    if _TRIALS.value is not None:
        raise ConfigError(f"--trials={_TRIALS.value}: is for --search")
    if _SWEEP.value:
        asked = read_sweep_file(Path(_SWEEP.value))
        return Listed(plan(check(asked, source=f"--sweep={_SWEEP.value}:")))
    return Listed(plan(check(read_grid(_GRID.value), source="--grid")))


def _config_class(verb: str) -> type:
    from bert_jax.runs.finetuning_config import FinetuneConfig
    from bert_jax.runs.pretraining_config import PretrainConfig

    classes = {"pretrain": PretrainConfig, "finetune": FinetuneConfig}
    if verb not in classes:
        raise ConfigError(f"--verb={verb}: wants {' or '.join(classes)}")
    return classes[verb]


if __name__ == "__main__":
    import jax

    # This process only checks configs. An accelerator is for the runs, and may serve one at a time.
    jax.config.update("jax_platforms", "cpu")
    cli.run(main)
