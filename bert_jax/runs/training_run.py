"""Training in a run's folder: the loop, what it writes there, and how it ends."""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import optax

from bert_jax.errors import BertJaxError
from bert_jax.runs.folder import RunFolder
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.chips import chip_of
from bert_jax.training.loop import Loop
from bert_jax.training.pace import Pacing
from bert_jax.training.processes import current
from bert_jax.training.progress import Progress
from bert_jax.training.records import Records
from bert_jax.training.schedules import tabulated
from bert_jax.training.signals import Stopped, StopRequest, stop_requests
from bert_jax.training.skipping import SpikeGuard
from bert_jax.training.stage import Intervals, Stage
from bert_jax.training.state import TrainState
from bert_jax.training.watchdog import Watchdog
from bert_jax.training.window import Window
from bert_jax.training.workdir import held


def in_folder(workdir: Path, work: Callable[[RunFolder, StopRequest], int]) -> int:
    """Hold a run's folder, and listen for signals, while work is done in it.

    Returns:
        the exit code: that of the work, or of the signal that ended it.
    """
    processes = current()
    with held(workdir, processes) as own, stop_requests(processes) as stop:
        folder = RunFolder(own, workdir)
        try:
            return work(folder, stop)
        except Stopped as stopped:
            if folder.read().get("status") == "running":
                folder.set_status("stopped")
            print(f"{stopped}; the same command continues")
            return stopped.exit_code


def train(
    folder: RunFolder,
    stages: Sequence[Stage],
    state: TrainState,
    window: Window,
    *,
    rate: optax.Schedule,
    intervals: Intervals,
    guard: SpikeGuard,
    checkpoints: Checkpoints,
    records: Records,
    watchdog_seconds: float,
    stop: StopRequest,
    loss_terms: Sequence[str],
    shown: Sequence[str] = (),
    pacing: Pacing | None = None,
) -> None:
    """Train from a state to the last step, keeping records; the report is the caller's.

    Args:
        folder: the run's.
        stages: the phases left, in order.
        state: where training stands; it is donated.
        window: metrics summed since the last line.
        rate: learning rate at a step.
        intervals: how often to log, evaluate and save.
        guard: which gradients are too large to be followed.
        checkpoints: where states go.
        records: where metrics go, cut to where training stands; closed at the end.
        watchdog_seconds: with nothing finished for so long the process leaves; 0: never.
        stop: whether the user asked to stop.
        loss_terms: the metrics whose sum is the loss.
        shown: metrics of the run's own to be shown beside those of any run.
        pacing: decides while the run goes on how many steps it takes; None: the stages say it.

    Raises:
        Stopped: a signal came; the state is saved, and the folder says so.
        NumericsError: too many steps in a row were skipped; the report shows how far it went.
    """
    progress = Progress(int(state.step), stages[-1].end, shown)
    loop = Loop(
        stages,
        rates=tabulated(rate, stages[-1].end),
        intervals=intervals,
        guard=guard,
        checkpoints=checkpoints,
        records=records,
        progress=progress,
        stop=stop,
        watchdog=Watchdog(watchdog_seconds),
        loss_terms=loss_terms,
        peak_flops=peak_of_devices(),
        pacing=pacing,
    )
    try:
        loop.run(state, window)
    except Stopped:  # whoever asked may not wait for a report; bert_jax.report makes it any time
        folder.set_status("stopped")
        raise
    except BertJaxError:
        folder.write_report()
        raise
    finally:
        progress.close()
        records.close()


def peak_of_devices() -> float | None:
    """Give the peak of all devices together in FLOP/s, where it is known."""
    chip = chip_of(jax.devices()[0].device_kind)
    return chip.flops * jax.device_count() if chip else None
