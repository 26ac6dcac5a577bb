"""A fine-tuning run in its folder, from the first start to its score."""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from bert_jax import cli
from bert_jax.data.tokenizers import Tokenizer, load_tokenizer
from bert_jax.errors import ConfigError
from bert_jax.interop.published import Published
from bert_jax.model import SIZES, BertConfig, Execution
from bert_jax.runs.identity import keep_config
from bert_jax.runs.models import (
    CHECKPOINTS,
    TOKENIZER,
    read_model,
    read_tokenizer,
    write_description,
)
from bert_jax.runs.task_assembly import Batching, Finetuning, Follow, with_head
from bert_jax.runs.tasks import TaskSource, load_task
from bert_jax.tasks.task import Task
from bert_jax.training.checkpoints import Checkpoints, load_arrays
from bert_jax.training.loop import Intervals, Loop, Window
from bert_jax.training.moving import Moving
from bert_jax.training.optimizer import OptimizerConfig, make_optimizer
from bert_jax.training.progress import Progress
from bert_jax.training.records import Records
from bert_jax.training.schedules import Schedule, learning_rate
from bert_jax.training.sharding import MeshConfig, Sharding, make_mesh
from bert_jax.training.signals import Stopped, stop_requests
from bert_jax.training.state import TrainState, nest
from bert_jax.training.throughput import peak_flops
from bert_jax.training.workdir import locked, write_json, write_text

TRAINING = "training"  # its checkpoints, beside those of the best model
CONFIG, RUN, SCORE = "config.json", "run.json", "score.json"
KEPT_CHECKPOINTS = 1


@dataclass(frozen=True)
class RandomModel:
    """The model to begin with where there is no checkpoint."""

    size: str
    tokenizer: str


@dataclass(frozen=True)
class TaskTraining:
    """Length and shape of training, what moves, and how often it looks up."""

    epochs: float
    batch_size: int
    eval_batch_size: int
    gradient_accumulation: int
    max_seq_length: int
    static_lengths: tuple[int, ...]
    what: str
    layer_decay: float
    reinitialize_layers: int
    new_head: bool
    evaluations: int
    patience: int
    log_every: int
    checkpoint_every: int
    skipped_steps_limit: int

    def __post_init__(self) -> None:
        least = {
            "batch_size": 1,
            "eval_batch_size": 1,
            "gradient_accumulation": 1,
            "evaluations": 1,
            "patience": 0,
        }
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {value}")
        if self.epochs <= 0:
            raise ValueError(f"epochs={self.epochs} must be positive")
        if self.batch_size % self.gradient_accumulation:
            raise ValueError(
                f"batch_size={self.batch_size} is not a multiple of "
                f"gradient_accumulation={self.gradient_accumulation}"
            )
        if list(self.static_lengths) != sorted(set(self.static_lengths)):
            raise ValueError(f"static_lengths={self.static_lengths} must rise")


@dataclass(frozen=True)
class FinetuneConfig:
    """`configs/finetune.py` as plain values; it says what each of them means."""

    task: str
    init_from: str | None
    seed: int
    compute_dtype: str
    scan_layers: bool
    rematerialize: str
    data: TaskSource
    random: RandomModel
    model: dict[str, float]
    optimizer: dict[str, Any]
    train: TaskTraining
    mesh: MeshConfig
    rules: dict[str, tuple[str, ...]]


def run(config: FinetuneConfig, values: dict[str, Any], workdir: Path, command: str) -> int:
    """Run, or continue, the run in a folder; return the exit code.

    Args:
        config: what to do.
        values: the same as the config file and flags gave it, to be kept.
        workdir: the run's folder.
        command: what the user typed, to be kept.
    """
    with locked(workdir), stop_requests() as stop:
        if not (workdir / RUN).exists():  # refused before it began: that config binds nobody
            (workdir / CONFIG).unlink(missing_ok=True)
        keep_config(workdir / CONFIG, values)
        if (workdir / SCORE).exists():
            print(f"{workdir}: finished; see {workdir / SCORE}")
            return 0
        finetuning, rate = assemble(config)
        intervals = intervals_of(config.train, finetuning.steps)
        for note in finetuning.task.notes:
            print(f"note: {note}")
        checkpoints = Checkpoints(workdir / TRAINING, KEPT_CHECKPOINTS)
        restored = checkpoints.restore(finetuning.abstract_state)
        state, window = restored or (finetuning.initial_state(), {})
        step = int(state.step)
        if step == 0:
            print(finetuning.fitted.table())
        describe(finetuning, workdir, command)
        metric = finetuning.task.primary_metric
        records, progress = Records(workdir, step), Progress(step, finetuning.steps, (metric,))
        best = Checkpoints(workdir / CHECKPOINTS, keep=1)
        follow = Follow(
            metric=metric,
            keep=lambda step, params: _keep(best, step, params),
            patience=config.train.patience,
            history=_history(workdir, metric),
        )
        peak = peak_flops(jax.devices()[0])
        loop = Loop(
            [finetuning.stage(follow)],
            rate=lambda step: float(jax.device_get(rate(step))),
            intervals=intervals,
            checkpoints=checkpoints,
            records=records,
            progress=progress,
            stop=stop,
            loss_terms=("task_loss",),
            peak_flops=peak * jax.device_count() if peak else None,
        )
        try:
            loop.run(state, Window(**window))
        except Stopped as stopped:
            print(f"stopped by {stopped}, saved; the same command continues")
            return stopped.exit_code
        finally:
            progress.close()
            records.close()
        score = finish(finetuning, workdir, command)
        print(f"finished: {json.dumps(score['metrics'])}; see {workdir / SCORE}")
    return 0


def intervals_of(train: TaskTraining, steps: int) -> Intervals:
    """Gather how often the loop looks up."""
    values = {
        "log": train.log_every,
        "evaluate": -(-steps // train.evaluations),
        "checkpoint": train.checkpoint_every,
        "skipped_limit": train.skipped_steps_limit,
    }
    return cli.build(Intervals, values, "config.train")


def assemble(config: FinetuneConfig) -> tuple[Finetuning, Any]:
    """Put task, checkpoint and mesh together; return them and the learning rate by step."""
    start, tokenizer = starting_model(config)
    train = config.train
    positions = start.config.max_position_embeddings
    lengths = {"max_seq_length": train.max_seq_length}
    lengths["static_lengths"] = max(train.static_lengths, default=0)
    for name, length in lengths.items():
        if length > positions:
            raise ConfigError(
                f"config.train.{name}={length}: the model in {start.source} has {positions} "
                "positions"
            )
    task = load_task(config.task, config.data, tokenizer, train.max_seq_length)
    model = cli.build(BertConfig, {**vars(start.config), **config.model}, "config.model")
    start = dataclasses.replace(start, config=model)
    start = with_head(
        start, task, new_head=train.new_head, reinitialize_layers=train.reinitialize_layers
    )
    rows = len(task.features["train"].input_ids)
    steps = max(1, math.ceil(train.epochs * math.ceil(rows / train.batch_size)))
    fields = dict(config.optimizer)
    share = fields.pop("warmup_share", None)
    if not isinstance(share, float) or not 0 <= share <= 1:
        raise ConfigError(f"config.optimizer.warmup_share={share}: wants a number from 0 to 1")
    fields["warmup_steps"] = round(share * steps)
    optimizer = cli.build(OptimizerConfig, fields, "config.optimizer")
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
            "what": train.what,
            "layer_decay": train.layer_decay,
            "num_layers": model.num_hidden_layers,
        },
        "config.train",
    )
    execution = cli.build(
        Execution,
        {
            "compute_dtype": config.compute_dtype,
            "scan_layers": config.scan_layers,
            "rematerialize": config.rematerialize,
        },
        "config",
    )
    finetuning = Finetuning(
        task=task,
        start=start,
        execution=execution,
        tokenizer=tokenizer,
        transformation=make_optimizer(optimizer, rate, moving.rate),
        moving=moving,
        batching=Batching(
            train.batch_size,
            train.eval_batch_size,
            train.gradient_accumulation,
            train.static_lengths,
        ),
        sharding=Sharding(make_mesh(config.mesh), config.rules),
        steps=steps,
        seed=config.seed,
    )
    return finetuning, rate


def starting_model(config: FinetuneConfig) -> tuple[Published, Tokenizer]:
    """Read the checkpoint to begin with, or describe a random model."""
    if not config.init_from:
        raise ConfigError(
            "config.init_from: missing; name a run, a Hugging Face folder or a TF1 checkpoint, "
            "or say 'random'"
        )
    if config.init_from != "random":
        model = read_model(Path(config.init_from))
        return model, read_tokenizer(model)
    if config.random.size not in SIZES:
        raise ConfigError(
            f"config.random.size={config.random.size}: wants one of {', '.join(SIZES)}"
        )
    if not config.random.tokenizer:
        raise ConfigError("config.random.tokenizer: missing; name a folder, vocab.txt or .model")
    tokenizer = load_tokenizer(config.random.tokenizer)
    sizes = {"vocab_size": tokenizer.vocab_size, **SIZES[config.random.size]}
    model = cli.build(BertConfig, sizes, "config.random")
    path = Path(config.random.tokenizer)
    return Published(model, "encoder", (), {}, (), path, Path("random")), tokenizer


def describe(finetuning: Finetuning, workdir: Path, command: str) -> None:
    """Write down what is trained; the folder can be loaded from the first best model on."""
    start = finetuning.start
    write_description(workdir, start.config, start.kind, start.labels)
    finetuning.tokenizer.save(workdir / TOKENIZER)
    write_json(workdir / RUN, {"command": command, "task": finetuning.task.name})
    rows = {split: len(f.input_ids) for split, f in finetuning.task.features.items()}
    counts = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    print(f"{finetuning.task.name}: {counts} rows; {finetuning.steps:,} steps", flush=True)


def finish(finetuning: Finetuning, workdir: Path, command: str) -> dict[str, Any]:
    """Score the best model on every split, write predictions and the score."""
    task: Task = finetuning.task
    arrays = load_arrays(workdir / CHECKPOINTS)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, finetuning.abstract_state.params)
    params = jax.device_put(nest(arrays), shardings)
    metrics: dict[str, float] = {}
    intervals: dict[str, list[float]] = {}
    examples: dict[str, int] = {}
    for split, features in task.features.items():
        if split == "train":
            continue
        scores = finetuning.scores(params, split)
        examples[split] = len(features.input_ids)
        lines = [json.dumps(p, ensure_ascii=False) for p in task.predictions(split, scores)]
        write_text(workdir / f"predictions_{split}.jsonl", "".join(f"{x}\n" for x in lines))
        for name, text in task.files(split, scores).items():
            write_text(workdir / name, text)
        if split in task.scored_splits:
            prefix = "" if split == task.selects_by else f"{split}/"
            metrics |= {prefix + name: value for name, value in task.score(split, scores).items()}
            intervals[prefix + task.primary_metric] = list(task.interval(split, scores))
    score = {
        "task": task.name,
        "metrics": metrics,
        "intervals_95": intervals,
        "seeds": [finetuning.seed],
        "examples": examples,
        "command": command,
    }
    write_json(workdir / SCORE, score)
    return score


def _keep(best: Checkpoints, step: int, params: Any) -> None:
    best.save(TrainState(jnp.asarray(step, jnp.int32), params, (), jax.random.key(0)), {})


def _history(workdir: Path, metric: str) -> list[float]:
    path = workdir / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    values = [json.loads(line) for line in lines]
    return [line[metric] for line in values if line["split"] == "validation"]
