"""One batch that gives NaN: one update is left out, and nothing else is different."""

import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from bert_jax.runs.folder import RunFolder
from bert_jax.runs.training_run import train
from bert_jax.training.checkpoint_folder import load_state
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.records import Records
from bert_jax.training.signals import StopRequest
from bert_jax.training.skipping import SpikeGuard
from bert_jax.training.stage import Intervals
from bert_jax.training.state import flatten
from bert_jax.training.window import Window
from experiments.faults import artefacts, folders, toy
from experiments.faults.tries import Campaign, Result, Try

_STEPS = 8


def prepare(work: Path) -> Any:
    """Put a short run together."""
    return toy.assemble(artefacts.make_corpus(work / "corpus"), {"train.steps": _STEPS})


def attempt(pretraining: Any, one: Try) -> Result:
    """Train with one batch whose ids are outside the vocabulary, whose embeddings are NaN."""
    bad = one.draw.randrange(1, _STEPS - 1)
    (phase,) = pretraining.plan.phases
    stage = pretraining.stage(phase, pretraining.rows("train", phase))

    def batch(step: int) -> Any:
        made = stage.batch(step)
        outside = jnp.full_like(made.input_ids, pretraining.model.vocab_size)
        return made._replace(input_ids=outside) if step == bad else made

    checkpoints = Checkpoints(one.folder / "checkpoints", keep=_STEPS)
    train(
        RunFolder(one.folder),
        [dataclasses.replace(stage, batch=batch, evaluation=None)],
        pretraining.initial_state(None),
        Window(),
        rate=pretraining.plan.rate,
        intervals=Intervals(log=1, evaluate=_STEPS, checkpoint=1, skipped_limit=3),
        guard=SpikeGuard(factor=0.0, window=2),
        checkpoints=checkpoints,
        records=Records(one.folder, 0),
        watchdog_seconds=0,
        stop=StopRequest(),
        loss_terms=pretraining.loss_terms,
    )
    logged = folders.lines(one.folder / "metrics.jsonl")
    skipped = [line["step"] for line in logged if line["skipped"] > 0]
    problems = []
    if skipped != [bad + 1]:
        problems.append(f"steps skipped: {skipped}, wanted {[bad + 1]}")
    told = [(line["step"], line["rows"]) for line in folders.lines(one.folder / "skipped.jsonl")]
    if told != [(bad + 1, stage.rows(bad).tolist())]:
        problems.append(f"told of the skipped: {told}")
    states = {
        step: _arrays(checkpoints.directory, step, pretraining.abstract_state)
        for step in range(1, _STEPS + 1)
    }
    for step, arrays in states.items():
        if not all(np.isfinite(array).all() for array in arrays.values()):
            problems.append(f"step {step} saved what is not finite")
        same = step > 1 and all(
            np.array_equal(array, states[step - 1][path]) for path, array in arrays.items()
        )
        if same != (step == bad + 1):
            problems.append(f"step {step} {'changed nothing' if same else 'changed something'}")
    kind = "one update left out, nothing non-finite saved" if not problems else "not as asked"
    return Result(kind, not problems, "; ".join(problems))


def _arrays(directory: Path, step: int, like: Any) -> dict[str, np.ndarray]:
    """Load the parameters and the optimizer's state of a step."""
    state, _ = load_state(directory / f"{step:08d}", like)
    tree = {"params": state.params, "opt_state": state.opt_state}
    return {path: np.asarray(leaf) for path, leaf in flatten(tree).items()}


CAMPAIGN = Campaign(
    asked="exactly one update skipped, nothing non-finite saved",
    tries=5,
    short=1,
    prepare=prepare,
    attempt=attempt,
)
