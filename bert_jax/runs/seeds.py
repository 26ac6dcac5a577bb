"""Fine-tuning runs of several seeds, each in a folder of its own, one after another or together."""

from collections.abc import Mapping, Sequence
from typing import Any

from bert_jax.errors import BertJaxError, NumericsError
from bert_jax.runs.seed_run import SeedRun, score_of
from bert_jax.runs.training_run import peak_of_devices
from bert_jax.training.checkpoints import restore_common
from bert_jax.training.convoy import AgreedStop, Convoy
from bert_jax.training.loop import Loop, Stopwatch
from bert_jax.training.progress import OneOfSeveral, Progress
from bert_jax.training.schedules import tabulated
from bert_jax.training.signals import Stopped, StopRequest
from bert_jax.training.watchdog import Watchdog

# Checkpoints of the training of each, while several go on: of the newest a kill may leave some
# without, and then all go on from the one before.
_KEPT = 2

# By seed: the score, or what ended the run without one.
Outcomes = dict[int, dict[str, Any] | NumericsError]


def run_seeds(runs: Sequence[SeedRun], at_once: int, stop: StopRequest) -> Outcomes:
    """Train, or go on to train, from each seed.

    A run whose numbers go wrong ends none of the others.

    Args:
        runs: of one task and model.
        at_once: how many are trained together.
        stop: whether the user asked to stop.

    Raises:
        Stopped: a signal came; what was trained is saved.
    """
    scores = {run.seed: score_of(run.folder) for run in runs}
    outcomes: Outcomes = {seed: score for seed, score in scores.items() if score}
    if outcomes:
        print(f"finished: {', '.join(f'seed {seed}' for seed in outcomes)}")
    left = [run for run in runs if run.seed not in outcomes]
    # One that failed before stands at another step than the others, and is tried again alone.
    alone = [run for run in left if run.folder.read().get("status") == "failed" or at_once == 1]
    left = [run for run in left if run not in alone]
    for first in range(0, len(left), at_once):
        outcomes |= _together(left[first : first + at_once], stop)
    for run in alone:
        try:
            outcomes[run.seed] = run.run(stop)
        except NumericsError as error:
            outcomes[run.seed] = run.fail(error)
    return {run.seed: outcomes[run.seed] for run in runs}


def _together(runs: Sequence[SeedRun], stop: StopRequest) -> Outcomes:
    """Train runs together, from the newest step of which all have a checkpoint."""
    finetuning, outcomes = runs[0].finetuning, Outcomes()
    checkpoints = [run.checkpoints(_KEPT) for run in runs]
    restored = restore_common(checkpoints, finetuning.abstract_state) or [None] * len(runs)
    begun = [run.begin(found) for run, found in zip(runs, restored, strict=True)]
    start = int(begun[0].state.step)
    progress = Progress(start, finetuning.steps, (finetuning.task.primary_metric,))
    agreed, stopwatch = AgreedStop(stop), Stopwatch()
    watchdog = Watchdog(finetuning.watchdog_seconds)
    rates = tabulated(finetuning.rate, finetuning.steps)
    loops = [
        Loop(
            [one.stage],
            rates=rates,
            intervals=finetuning.intervals,
            guard=finetuning.guard,
            checkpoints=saved,
            records=one.records,
            progress=OneOfSeveral(progress, f"seed {run.seed}", leads=run is runs[0]),
            stop=agreed,
            watchdog=watchdog,
            loss_terms=finetuning.loss_terms,
            peak_flops=peak_of_devices(),
            stopwatch=stopwatch,
        )
        for run, one, saved in zip(runs, begun, checkpoints, strict=True)
    ]

    def ended(over: Mapping[int, NumericsError | None]) -> None:
        for place, error in over.items():
            run = runs[place]
            if error:
                progress.say(f"seed {run.seed}: {error}")
                outcomes[run.seed] = run.fail(error)
            else:
                run.checkpoints().thin()
                outcomes[run.seed] = run.end(begun[place].best, stop)

    chosen = [finetuning.chosen(run.seed) for run in runs]
    convoy = Convoy(
        loops,
        finetuning.abreast,
        batches=lambda step: [finetuning.filled(rows(step)) for rows in chosen],
        ended=ended,
        stop=agreed,
        progress=progress,
    )
    try:
        convoy.run(start, [one.state for one in begun], [one.window for one in begun])
    except Stopped:
        for run in runs:
            if run.seed not in outcomes:
                run.folder.set_status("stopped")
        raise
    except BertJaxError:
        for run in runs:
            run.folder.write_report()
        raise
    finally:
        progress.close()
        for one in begun:
            one.records.close()
    return outcomes
