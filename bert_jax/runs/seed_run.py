"""A fine-tuning run of one seed in its folder: how it begins, trains and is scored."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bert_jax.errors import NumericsError
from bert_jax.runs.best_model import BestModel
from bert_jax.runs.folder import RunFolder
from bert_jax.runs.models import TOKENIZER, write_description
from bert_jax.runs.task_assembly import Finetuning
from bert_jax.runs.task_score import score_run
from bert_jax.runs.training_run import train
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.processes import current
from bert_jax.training.records import Records
from bert_jax.training.sharding import Sharding
from bert_jax.training.signals import StopRequest
from bert_jax.training.stage import Stage
from bert_jax.training.state import TrainState
from bert_jax.training.window import Window

TRAINING = "training"  # its checkpoints, beside those of the best model


@dataclass(frozen=True)
class Begun:
    """A run that stands at a step.

    Attributes:
        stage: what its loop runs.
        state: where it stands.
        window: what its loop knows of the steps before.
        records: where its metrics go, cut to the step; to be closed.
        best: which of its models is kept.
    """

    stage: Stage
    state: TrainState
    window: Window
    records: Records
    best: BestModel


@dataclass(frozen=True)
class SeedRun:
    """A run of one seed.

    Attributes:
        finetuning: what is trained on what.
        folder: the run's.
        seed: of the head that is drawn, the order of rows and dropout.
        command: what the user typed, to be kept.
    """

    finetuning: Finetuning
    folder: RunFolder
    seed: int
    command: str

    def checkpoints(self, keep: int = 1) -> Checkpoints:
        """Name the checkpoints of its training."""
        return Checkpoints(self.folder.shared / TRAINING, keep)

    def run(self, stop: StopRequest) -> dict[str, Any]:
        """Train, or go on to train; return the score.

        Raises:
            Stopped: a signal came; what was trained is saved.
            NumericsError: too many steps in a row were skipped.
        """
        finetuning, checkpoints = self.finetuning, self.checkpoints()
        score = score_of(self.folder)
        if score:
            print(f"seed {self.seed}: finished")
            return score
        begun = self.begin(checkpoints.restore(finetuning.abstract_state))
        train(
            self.folder,
            [begun.stage],
            begun.state,
            begun.window,
            rate=finetuning.rate,
            intervals=finetuning.intervals,
            guard=finetuning.guard,
            checkpoints=checkpoints,
            records=begun.records,
            watchdog_seconds=finetuning.watchdog_seconds,
            stop=stop,
            loss_terms=finetuning.loss_terms,
            shown=(finetuning.task.primary_metric,),
        )
        return self.end(begun.best, stop)

    def begin(self, restored: tuple[TrainState, dict[str, Any]] | None) -> Begun:
        """Put the run at the step of what was restored, or at its first.

        Args:
            restored: a state and the window beside it.
        """
        finetuning, folder, seed = self.finetuning, self.folder, self.seed
        fitted = finetuning.fitted(seed)
        state, window = restored or (finetuning.initial_state(fitted, seed), {})
        step = int(state.step)
        if step == 0:
            print(fitted.table())
        write_description(folder.workdir, finetuning.model, finetuning.kind, finetuning.task.labels)
        finetuning.tokenizer.save(folder.workdir / TOKENIZER)
        folder.begin(self.command, finetuning.sharding.mesh, **finetuning.facts)
        rows = {split: len(f.input_ids) for split, f in finetuning.task.features.items()}
        counts = ", ".join(f"{name} {count:,}" for name, count in rows.items())
        print(
            f"{finetuning.task.name}: {counts} rows; seed {seed}, {finetuning.steps:,} steps, "
            f"products in {finetuning.execution.compute_dtype}",
            flush=True,
        )
        # The history below is what the records of process 0 leave.
        records = current().in_turn("records", lambda: Records(folder.workdir, step))
        kept, metric = Checkpoints(folder.checkpoints, keep=1), finetuning.task.primary_metric
        best = BestModel(
            metric=metric,
            keep=lambda step, params: _keep(kept, finetuning.sharding, step, params),
            patience=finetuning.patience,
            history=_history(folder.shared, metric),
        )
        return Begun(finetuning.stage(seed, best), state, Window.kept(window), records, best)

    def end(self, best: BestModel, stop: StopRequest) -> dict[str, Any]:
        """Score the best model; return the score.

        Raises:
            Stopped: a signal came; the same command scores again.
        """
        known = {} if best.scores is None else {self.finetuning.task.selects_by: best.scores}
        with stop.at_once():
            score = score_run(self.finetuning, self.folder, self.seed, self.command, known)
        self.folder.set_status("finished")
        self.folder.write_report()
        return score

    def fail(self, error: NumericsError) -> NumericsError:
        """Note that the run has ended without a score; return why."""
        self.folder.set_status("failed", error=str(error))
        self.folder.write_report()
        return error


def score_of(folder: RunFolder) -> dict[str, Any]:
    """Return the score of a run that is finished, nothing otherwise."""
    found = folder.score.read_text(encoding="utf-8") if folder.score.exists() else "{}"
    return json.loads(current().told("score", found))


def _keep(best: Checkpoints, sharding: Sharding, step: int, params: Any) -> None:
    rest = jax.jit(lambda step: (step, jax.random.key(0)), out_shardings=sharding.replicated)
    step_array, key = rest(np.int32(step))
    best.save(TrainState(step_array, params, (), key), {})


def _history(workdir: Path, metric: str) -> list[float]:
    path = workdir / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    values = [json.loads(line) for line in lines]
    return [line[metric] for line in values if line["split"] == "validation"]
