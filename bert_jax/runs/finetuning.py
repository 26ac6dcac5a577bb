"""A fine-tuning run in its folder, from the first start to its score."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bert_jax import cli
from bert_jax.errors import ConfigError
from bert_jax.model import BertConfig
from bert_jax.runs.best_model import BestModel
from bert_jax.runs.finetuning_config import FinetuneConfig, TaskTraining
from bert_jax.runs.folder import RunFolder
from bert_jax.runs.identity import check_fingerprint, check_same
from bert_jax.runs.models import TOKENIZER, write_description
from bert_jax.runs.starting_model import starting_model, with_head
from bert_jax.runs.task_assembly import Batching, Finetuning
from bert_jax.runs.task_score import in_words, score_run, score_seeds
from bert_jax.runs.tasks import load_task, usual_length
from bert_jax.runs.training_run import in_folder, train
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.loop import Intervals, Window
from bert_jax.training.moving import Moving
from bert_jax.training.optimizer import OptimizerConfig, make_optimizer
from bert_jax.training.processes import current
from bert_jax.training.records import Records
from bert_jax.training.schedules import Schedule, learning_rate
from bert_jax.training.sharding import Sharding
from bert_jax.training.signals import StopRequest
from bert_jax.training.state import TrainState

TRAINING = "training"  # its checkpoints, beside those of the best model
KEPT_CHECKPOINTS = 1
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
    if _score_of(folder):
        print(f"{folder.shared}: finished; see {folder.score}")
        return 0
    with stop.at_once():
        folder.keep(values)
        finetuning = assemble(config)
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
        score = run_seed(finetuning, folder, config.seed, command, stop)
    else:
        folder.begin(command, finetuning.sharding.mesh, **finetuning.facts)
        scores = {}
        for seed in range(config.seed, config.seed + config.num_seeds):
            name = f"seed_{seed}"
            one = RunFolder(folder.workdir / name, folder.shared / name)
            one.workdir.mkdir(exist_ok=True)
            one.keep({**values, "seed": seed, "num_seeds": 1})
            scores[seed] = run_seed(finetuning, one, seed, command, stop)
        score = score_seeds(folder, scores, command)
    folder.set_status("finished")
    print(f"finished: {in_words(score)}; {folder.write_report()}")
    return 0


def run_seed(
    finetuning: Finetuning, folder: RunFolder, seed: int, command: str, stop: StopRequest
) -> dict[str, Any]:
    """Train, or go on to train, from one seed; return the score.

    Raises:
        Stopped: a signal came; what was trained is saved.
    """
    score = _score_of(folder)
    if score:
        print(f"seed {seed}: finished")
        return score
    fitted = finetuning.fitted(seed)
    checkpoints = Checkpoints(folder.shared / TRAINING, KEPT_CHECKPOINTS)
    restored = checkpoints.restore(finetuning.abstract_state)
    state, window = restored or (finetuning.initial_state(fitted, seed), {})
    step = int(state.step)
    if step == 0:
        print(fitted.table())
    write_description(folder.workdir, finetuning.model, finetuning.kind, finetuning.task.labels)
    finetuning.tokenizer.save(folder.workdir / TOKENIZER)
    folder.begin(command, finetuning.sharding.mesh, **finetuning.facts)
    rows = {split: len(f.input_ids) for split, f in finetuning.task.features.items()}
    counts = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    print(
        f"{finetuning.task.name}: {counts} rows; seed {seed}, {finetuning.steps:,} steps",
        flush=True,
    )
    metric = finetuning.task.primary_metric
    # The history below is what the records of process 0 leave.
    records = current().in_turn("records", lambda: Records(folder.workdir, step))
    kept = Checkpoints(folder.checkpoints, keep=1)
    best = BestModel(
        metric=metric,
        keep=lambda step, params: _keep(kept, finetuning.sharding, step, params),
        patience=finetuning.patience,
        history=_history(folder.shared, metric),
    )
    train(
        folder,
        [finetuning.stage(seed, best)],
        state,
        Window(**window),
        rate=finetuning.rate,
        intervals=finetuning.intervals,
        guard=finetuning.guard,
        checkpoints=checkpoints,
        records=records,
        watchdog_seconds=finetuning.watchdog_seconds,
        stop=stop,
        loss_terms=("task_loss",),
        shown=(metric,),
    )
    known = {} if best.scores is None else {finetuning.task.selects_by: best.scores}
    with stop.at_once():  # the same command scores again
        score = score_run(finetuning, folder, seed, command, known)
    folder.set_status("finished")
    folder.write_report()
    return score


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
    execution = config.execution(model, sharding.platform)
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


def _keep(best: Checkpoints, sharding: Sharding, step: int, params: Any) -> None:
    rest = jax.jit(lambda step: (step, jax.random.key(0)), out_shardings=sharding.replicated)
    step_array, key = rest(np.int32(step))
    best.save(TrainState(step_array, params, (), key), {})


def _score_of(folder: RunFolder) -> dict[str, Any]:
    """Return the score of a run that is finished, nothing otherwise."""
    found = folder.score.read_text(encoding="utf-8") if folder.score.exists() else "{}"
    return json.loads(current().told("score", found))


def _history(workdir: Path, metric: str) -> list[float]:
    path = workdir / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    values = [json.loads(line) for line in lines]
    return [line[metric] for line in values if line["split"] == "validation"]
