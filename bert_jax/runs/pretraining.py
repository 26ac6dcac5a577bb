"""A pretraining run in its folder, from the first start to the last step."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from bert_jax import cli
from bert_jax.data.pairs import PairSampling
from bert_jax.data.preparation import PrepareConfig, prepare
from bert_jax.data.shards import MANIFEST, Corpus, open_corpus
from bert_jax.data.tokenizers import load_tokenizer
from bert_jax.model import BertConfig, Execution
from bert_jax.runs.assembly import MaskingConfig, Pretraining
from bert_jax.runs.folder import RunFolder
from bert_jax.runs.identity import check_fingerprint
from bert_jax.runs.pretraining_account import describe, describe_pairs
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.loop import Intervals, Loop, Window
from bert_jax.training.optimizer import OptimizerConfig
from bert_jax.training.phases import Phase, PhaseConfig, plan_phases
from bert_jax.training.progress import Progress
from bert_jax.training.records import Records
from bert_jax.training.sharding import MeshConfig, Sharding, make_mesh
from bert_jax.training.signals import Stopped, stop_requests
from bert_jax.training.throughput import peak_flops
from bert_jax.training.watchdog import Watchdog
from bert_jax.training.workdir import locked


@dataclass(frozen=True)
class DataConfig:
    """Where the text comes from."""

    path: str


@dataclass(frozen=True)
class TrainConfig:
    """Length and shape of training, and how often it looks up."""

    steps: int
    batch_size: int
    max_seq_length: int
    max_predictions: int
    gradient_accumulation: int
    log_every: int
    eval_every: int
    eval_sequences: int
    samples: int
    checkpoint_every: int
    keep_checkpoints: int
    skipped_steps_limit: int
    watchdog_seconds: float


@dataclass(frozen=True)
class PretrainConfig:
    """`configs/pretrain.py` as plain values; it says what each of them means."""

    profile: str
    seed: int
    init_from: str | None
    compute_dtype: str
    scan_layers: bool
    rematerialize: str
    data: DataConfig
    prepare: dict[str, Any]
    model: dict[str, Any]
    pairs: PairSampling
    masking: MaskingConfig
    optimizer: OptimizerConfig
    train: TrainConfig
    phases: dict[str, PhaseConfig]
    mesh: MeshConfig
    rules: dict[str, tuple[str, ...]]


def run(config: PretrainConfig, values: dict[str, Any], workdir: Path, command: str) -> int:
    """Run, or continue, the run in a folder; return the exit code.

    Args:
        config: what to do.
        values: the same as the config file and flags gave it, to be kept.
        workdir: the run's folder.
        command: what the user typed, to be kept.
    """
    with locked(workdir), stop_requests() as stop:
        folder = RunFolder(workdir)
        folder.keep(values)
        intervals = intervals_of(config.train)
        corpus = open_or_prepare(config, workdir)
        check_fingerprint(
            folder.read(),
            "corpus_fingerprint",
            corpus.fingerprint,
            f"{corpus.directory}: the corpus",
        )
        pretraining = assemble(config, corpus)
        checkpoints = Checkpoints(folder.checkpoints, config.train.keep_checkpoints)
        restored = checkpoints.restore(pretraining.abstract_state)
        state, window = restored or (pretraining.initial_state(config.init_from), {})
        step, steps = int(state.step), config.train.steps
        if step >= steps:
            print(
                f"{workdir}: finished at step {step}; see {folder.report}. "
                f"To train on: --config.train.steps={2 * step}"
            )
            return 0
        stages = [
            pretraining.stage(phase, describe_pairs(folder, pretraining, phase))
            for phase in pretraining.plan.phases
            if phase.end > step
        ]
        describe(folder, pretraining, command, config.optimizer.no_decay, step)
        records, progress = Records(workdir, step), Progress(step, steps)
        peak = peak_flops(jax.devices()[0])
        loop = Loop(
            stages,
            rate=lambda step: float(jax.device_get(pretraining.plan.rate(step))),
            intervals=intervals,
            checkpoints=checkpoints,
            records=records,
            progress=progress,
            stop=stop,
            watchdog=Watchdog(config.train.watchdog_seconds),
            loss_terms=pretraining.loss_terms,
            peak_flops=peak * jax.device_count() if peak else None,
        )
        try:
            loop.run(state, Window(**window))
        except Stopped as stopped:
            folder.set_status("stopped")
            print(f"stopped by {stopped}, saved; the same command continues")
            return stopped.exit_code
        finally:
            progress.close()
            records.close()
            folder.write_report()
        folder.set_status("finished")
        print(f"finished; {folder.write_report()}")
    return 0


def open_or_prepare(config: PretrainConfig, workdir: Path) -> Corpus:
    """Open a prepared folder, or prepare text into the workdir (once)."""
    path = config.data.path
    if (Path(path) / MANIFEST).is_file():
        return open_corpus(path)
    values = {**config.prepare, "input": path}
    workers = values.pop("workers")
    settings = cli.build(PrepareConfig, values, "config.prepare")
    return prepare(settings, workdir / "corpus", workers=workers)


def assemble(config: PretrainConfig, corpus: Corpus) -> Pretraining:
    """Put model, data and mesh together."""
    tokenizer = load_tokenizer(corpus.tokenizer_path)
    model = dict(config.model)
    model["vocab_size"] = model["vocab_size"] or tokenizer.vocab_size
    train = config.train
    first = Phase(
        name="first",
        index=0,
        start=0,
        end=train.steps,
        batch_size=train.batch_size,
        max_seq_length=train.max_seq_length,
        max_predictions=train.max_predictions,
        gradient_accumulation=train.gradient_accumulation,
    )
    return Pretraining(
        model=cli.build(BertConfig, model, "config.model"),
        execution=cli.build(
            Execution,
            {
                "compute_dtype": config.compute_dtype,
                "scan_layers": config.scan_layers,
                "rematerialize": config.rematerialize,
            },
            "config",
        ),
        corpus=corpus,
        tokenizer=tokenizer,
        pairs=config.pairs,
        masking=config.masking,
        optimizer=config.optimizer,
        plan=plan_phases(train.steps, first, config.phases, config.optimizer),
        sharding=Sharding(make_mesh(config.mesh), config.rules),
        seed=config.seed,
        eval_sequences=train.eval_sequences,
        samples=train.samples,
    )


def intervals_of(train: TrainConfig) -> Intervals:
    """Gather how often the loop looks up."""
    values = {
        "log": train.log_every,
        "evaluate": train.eval_every,
        "checkpoint": train.checkpoint_every,
        "skipped_limit": train.skipped_steps_limit,
    }
    return cli.build(Intervals, values, "config.train")
