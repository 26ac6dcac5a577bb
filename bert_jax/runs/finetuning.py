"""A fine-tuning run in its folder, from the first start to its score."""

import dataclasses
import math
from pathlib import Path
from typing import Any

from bert_jax import cli
from bert_jax.errors import ConfigError
from bert_jax.model import BertConfig
from bert_jax.runs.finetuning_config import FinetuneConfig, TaskTraining
from bert_jax.runs.folder import RunFolder
from bert_jax.runs.identity import check_fingerprint, check_same
from bert_jax.runs.seed_run import SeedRun, score_of
from bert_jax.runs.seeds import run_seeds
from bert_jax.runs.seeds_score import score_seeds, spread_in_words
from bert_jax.runs.starting_model import starting_model, with_head
from bert_jax.runs.task_assembly import Batching, Finetuning
from bert_jax.runs.task_score import in_words
from bert_jax.runs.tasks import load_task, usual_length
from bert_jax.runs.training_run import in_folder
from bert_jax.training.moving import Moving
from bert_jax.training.optimizer import OptimizerConfig, make_optimizer
from bert_jax.training.processes import current
from bert_jax.training.schedules import Schedule, learning_rate
from bert_jax.training.signals import StopRequest
from bert_jax.training.stage import Intervals
from bert_jax.whole import write_json

USUAL_LINES = 50  # of a run's metrics


def run(config: FinetuneConfig, values: dict[str, Any], workdir: Path, command: str) -> int:
    """Run, or continue, the run in a folder; return the exit code.

    Of several seeds each has a folder of its own in it.

    Args:
        config: what to do.
        values: the same as the config file and flags gave it, to be kept.
        workdir: the run's folder.
        command: what the user typed, to be kept.
    """
    return in_folder(workdir, lambda folder, stop: _run(config, values, folder, command, stop))


def _run(
    config: FinetuneConfig,
    values: dict[str, Any],
    folder: RunFolder,
    command: str,
    stop: StopRequest,
) -> int:
    processes = current()
    folder.check(values)
    check_same(processes, "config", values)
    if score_of(folder):
        print(f"{folder.shared}: finished; see {folder.score}")
        return 0
    with stop.at_once():
        folder.keep(values)
        finetuning = assemble(config)
        check_together(config, finetuning)
        check_fingerprint(
            folder.read(),
            "data_fingerprint",
            finetuning.data_fingerprint,
            f"{config.data.path}: the data, as it is read,",
        )
        check_same(processes, "data", finetuning.data_fingerprint)
    for note in finetuning.notes:
        print(f"note: {note}")
    if config.num_seeds == 1:
        score = SeedRun(finetuning, folder, config.seed, command).run(stop)
    else:
        score = _run_seeds(config, values, finetuning, folder, command, stop)
    folder.set_status("finished")
    print(f"finished: {in_words(score)}; {folder.write_report()}")
    return 0


def _run_seeds(
    config: FinetuneConfig,
    values: dict[str, Any],
    finetuning: Finetuning,
    folder: RunFolder,
    command: str,
    stop: StopRequest,
) -> dict[str, Any]:
    """Run several seeds, each in a folder of its own in the run's; return the score of all."""
    folder.begin(command, finetuning.sharding.mesh, **finetuning.facts)
    runs = []
    for seed in range(config.seed, config.seed + config.num_seeds):
        name = f"seed_{seed}"
        one = RunFolder(folder.workdir / name, folder.shared / name)
        one.workdir.mkdir(exist_ok=True)
        one.keep({**values, "seed": seed, "num_seeds": 1, "seeds_at_once": 1})
        runs.append(SeedRun(finetuning, one, seed, command))
    at_once = config.seeds_at_once
    if at_once > 1 and not finetuning.gains_together:
        print(
            f"config.seeds_at_once={at_once}: for a CPU steps of this size are no faster together; "
            "the seeds are trained one after another"
        )
        at_once = 1
    outcomes = run_seeds(runs, at_once, stop)
    score = score_seeds(finetuning.task, outcomes, command)
    write_json(folder.score, score)
    print(spread_in_words(score))
    return score


def check_together(config: FinetuneConfig, finetuning: Finetuning) -> None:
    """Check that seeds that are to be trained together are on one device.

    Raises:
        ConfigError: there are several.
    """
    devices, processes = finetuning.sharding.mesh.size, current().count
    if min(config.seeds_at_once, config.num_seeds) == 1 or devices == processes == 1:
        return
    where = f"{processes} processes" if processes > 1 else f"a mesh of {devices} devices"
    raise ConfigError(
        f"config.seeds_at_once={config.seeds_at_once}: seeds are trained together on one device, "
        f"not on {where}; --config.seeds_at_once=1, or let JAX see one device alone "
        "(CUDA_VISIBLE_DEVICES=0)"
    )


def intervals_of(train: TaskTraining, steps: int) -> Intervals:
    """Gather how often the loop looks up."""
    return Intervals(
        log=train.log_every or -(-steps // USUAL_LINES),
        evaluate=-(-steps // train.evaluations),
        checkpoint=train.checkpoint_every,
        skipped_limit=train.skipped_steps_limit,
    )


def assemble(config: FinetuneConfig) -> Finetuning:
    """Put task, checkpoint and mesh together."""
    start, tokenizer = starting_model(config.init_from, config.random)
    settings = config.train
    positions = start.config.max_position_embeddings
    max_seq_length = settings.max_seq_length or min(usual_length(config.task), positions)
    longest = max(settings.static_lengths, default=0)
    for name, length in {"max_seq_length": max_seq_length, "static_lengths": longest}.items():
        if length > positions:
            raise ConfigError(
                f"config.train.{name}={length}: the model in {start.source} has {positions} "
                "positions"
            )
    task = load_task(config.task, config.data, tokenizer, max_seq_length)
    model = cli.build(BertConfig, {**vars(start.config), **config.model}, "config.model")
    sharding = config.sharding()
    execution = config.execution(model, sharding.platform, max(max_seq_length, longest))
    start, notes = with_head(
        dataclasses.replace(start, config=model),
        task,
        new_head=settings.new_head,
        reinitialize_layers=settings.reinitialize_layers,
    )
    rows = len(task.features["train"].input_ids)
    steps = max(1, math.ceil(settings.epochs * math.ceil(rows / settings.batch_size)))
    optimizer = _optimizer(config.optimizer, steps)
    rate = learning_rate(
        Schedule(
            optimizer.learning_rate,
            optimizer.warmup_steps,
            optimizer.schedule,
            optimizer.end_learning_rate,
        ),
        steps,
    )
    moving = cli.build(
        Moving,
        {
            "what": settings.what,
            "layer_decay": settings.layer_decay,
            "num_layers": model.num_hidden_layers,
        },
        "config.train",
    )
    return Finetuning(
        task=task,
        start=start,
        execution=execution,
        tokenizer=tokenizer,
        transformation=make_optimizer(optimizer, moving.rate),
        rate=rate,
        moving=moving,
        batching=Batching(
            settings.batch_size,
            settings.eval_batch_size,
            settings.gradient_accumulation,
            settings.static_lengths,
        ),
        sharding=sharding,
        steps=steps,
        intervals=intervals_of(settings, steps),
        guard=settings.guard,
        patience=settings.patience,
        watchdog_seconds=settings.watchdog_seconds,
        notes=(*task.notes, *notes),
    )


def _optimizer(values: dict[str, Any], steps: int) -> OptimizerConfig:
    """Turn the share of warm-up steps into their number."""
    fields = dict(values)
    share = fields.pop("warmup_share", None)
    if not isinstance(share, float) or not 0 <= share <= 1:
        raise ConfigError(f"config.optimizer.warmup_share={share}: wants a number from 0 to 1")
    fields["warmup_steps"] = round(share * steps)
    return cli.build(OptimizerConfig, fields, "config.optimizer")
