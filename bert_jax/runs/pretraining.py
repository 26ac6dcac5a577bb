"""A pretraining run in its folder, from the first start to the last step."""

from pathlib import Path
from typing import Any

from bert_jax import cli
from bert_jax.data.preparation import PrepareConfig, prepare
from bert_jax.data.remote import is_remote
from bert_jax.data.remote_corpus import fetch_corpus
from bert_jax.data.shards import MANIFEST, Corpus, open_corpus
from bert_jax.data.tokenizers import Tokenizer, load_tokenizer
from bert_jax.model import BertConfig
from bert_jax.objectives.masking import Vocabulary
from bert_jax.runs import budget_of_run
from bert_jax.runs.assembly import Pretraining
from bert_jax.runs.budget import phases_at
from bert_jax.runs.folder import RunFolder
from bert_jax.runs.identity import check_fingerprint, check_same
from bert_jax.runs.pretraining_account import describe, describe_pairs
from bert_jax.runs.pretraining_config import PretrainConfig, TrainConfig
from bert_jax.runs.pretraining_step import PretrainingStep
from bert_jax.runs.training_run import in_folder, train
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.phases import Phase, plan_phases
from bert_jax.training.processes import current
from bert_jax.training.records import Records
from bert_jax.training.sharding import Sharding
from bert_jax.training.signals import StopRequest
from bert_jax.training.stage import Intervals
from bert_jax.training.window import Window


def run(
    config: PretrainConfig,
    values: dict[str, Any],
    workdir: Path,
    command: str,
    spent: float = 0.0,
) -> int:
    """Run, or continue, the run in a folder; return the exit code.

    Args:
        config: what to do.
        values: the same as the config file and flags gave it, to be kept.
        workdir: the run's folder.
        command: what the user typed, to be kept.
        spent: seconds since the process started, which count in a budget.
    """
    since = budget_of_run.clock() - spent
    return in_folder(
        workdir, lambda folder, stop: _run(config, values, folder, command, stop, since)
    )


def _run(
    config: PretrainConfig,
    values: dict[str, Any],
    folder: RunFolder,
    command: str,
    stop: StopRequest,
    since: float,
) -> int:
    processes = current()
    with stop.at_once():
        folder.check(values)
        check_same(processes, "config", values)
        corpus = processes.in_turn("corpus", lambda: open_or_prepare(config, folder.shared))
        check_fingerprint(
            folder.read(),
            "corpus_fingerprint",
            corpus.fingerprint,
            f"{corpus.directory}: the corpus",
        )
        check_same(processes, "corpus", corpus.fingerprint)
        pretraining = assemble(config, corpus)
        checkpoints = Checkpoints(folder.checkpoints, config.train.keep_checkpoints)
        restored = checkpoints.restore(pretraining.abstract_state)
        state, window = restored or (pretraining.initial_state(config.init_from), {})
        step = int(state.step)
        account = budget_of_run.account_of(config, folder, step)
        phases = pretraining.plan.phases
        if account:
            phases = phases_at(account.pace, phases)
        if step >= phases[-1].end:
            more = "" if account else f". To train on: --config.train.steps={2 * step}"
            print(f"{folder.shared}: finished at step {step}; see {folder.report}{more}")
            return 0
        folder.keep(values)
        left = [phase for phase in phases if phase.end > step]
        rows = [describe_pairs(folder, pretraining, phase) for phase in left]
        stages = [pretraining.stage(*of) for of in zip(left, rows, strict=True)]
        pacing = None
        if account:
            intervals = intervals_of(config.train)
            print(
                f"a budget of {config.budget_minutes:g} minutes: the recipe of "
                f"{config.train.steps:,} steps becomes as many as there is time for"
            )
            pacing = budget_of_run.budget_of(
                config, folder, account, pretraining, stages, rows, since, intervals
            )
        describe(folder, pretraining, command, config.optimizer.no_decay, step)
    train(
        folder,
        stages,
        state,
        Window.kept(window),
        rate=pretraining.plan.rate,
        intervals=intervals_of(config.train),
        guard=config.train.guard,
        checkpoints=checkpoints,
        records=Records(folder.workdir, step),
        watchdog_seconds=config.train.watchdog_seconds,
        stop=stop,
        loss_terms=pretraining.loss_terms,
        pacing=pacing,
    )
    folder.set_status("finished")
    print(f"finished; {folder.write_report()}")
    return 0


def open_or_prepare(config: PretrainConfig, workdir: Path) -> Corpus:
    """Open a prepared folder, or prepare text into the workdir (once)."""
    path = config.data.path
    if is_remote(path) and (fetched := fetch_corpus(path)):
        return open_corpus(fetched)
    if (Path(path) / MANIFEST).is_file():
        return open_corpus(path)
    values = {**config.prepare, "input": path}
    workers = values.pop("workers")
    settings = cli.build(PrepareConfig, values, "config.prepare")
    return prepare(settings, workdir / "corpus", workers=workers)


def assemble(config: PretrainConfig, corpus: Corpus) -> Pretraining:
    """Put model, data and mesh together."""
    tokenizer = load_tokenizer(corpus.tokenizer_path)
    settings = config.train
    return Pretraining(
        **_parts_of_step(config, vocabulary_of(tokenizer), config.sharding()),
        corpus=corpus,
        tokenizer=tokenizer,
        output_bias=config.output_bias,
        dupe_factor=config.data.dupe_factor,
        eval_sequences=settings.eval_sequences,
        samples=settings.samples,
        probing=config.probe,
    )


def assemble_step(
    config: PretrainConfig, vocabulary: Vocabulary, sharding: Sharding
) -> PretrainingStep:
    """Put a step together without any text, for devices that need not be there."""
    return PretrainingStep(**_parts_of_step(config, vocabulary, sharding))


def vocabulary_of(tokenizer: Tokenizer) -> Vocabulary:
    """Take from a tokenizer what masking has to know."""
    unmaskable = (tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id)
    return Vocabulary(tokenizer.vocab_size, tokenizer.mask_id, unmaskable)


def _parts_of_step(
    config: PretrainConfig, vocabulary: Vocabulary, sharding: Sharding
) -> dict[str, Any]:
    model = dict(config.model)
    model["vocab_size"] = model.get("vocab_size") or vocabulary.size
    bert = cli.build(BertConfig, model, "config.model")
    settings = config.train
    first = Phase(
        name="first",
        index=0,
        start=0,
        end=settings.steps,
        batch_size=settings.batch_size,
        max_seq_length=settings.max_seq_length,
        max_predictions=settings.max_predictions,
        gradient_accumulation=settings.gradient_accumulation,
        packed_length=settings.packed_length,
        packed_sequences=settings.packed_sequences,
    )
    plan = plan_phases(settings.steps, first, config.phases, config.optimizer)
    longest = max(phase.row_length for phase in plan.phases)
    return {
        "model": bert,
        "execution": config.execution(bert, sharding.platform, longest),
        "vocabulary": vocabulary,
        "pairs": config.pairs,
        "masking": config.masking,
        "optimizer": config.optimizer,
        "predictions_at_once": settings.predictions_at_once,
        "plan": plan,
        "sharding": sharding,
        "seed": config.seed,
    }


def intervals_of(train: TrainConfig) -> Intervals:
    """Gather how often the loop looks up."""
    return Intervals(
        log=train.log_every,
        evaluate=train.eval_every,
        checkpoint=train.checkpoint_every,
        skipped_limit=train.skipped_steps_limit,
    )
