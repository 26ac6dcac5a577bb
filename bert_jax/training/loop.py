"""The loop: steps, metrics, evaluations, checkpoints; continues where a run stopped."""

import contextlib
import functools
import itertools
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from bert_jax.errors import NumericsError
from bert_jax.heap import KeptMemory
from bert_jax.objectives.objective import Metrics
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.pace import Course, Pacing
from bert_jax.training.parameters import check_placed
from bert_jax.training.prefetch import prefetched
from bert_jax.training.progress import Progress
from bert_jax.training.records import Records
from bert_jax.training.signals import Stopped, StopRequest
from bert_jax.training.skipping import SpikeGuard, describe_skipped
from bert_jax.training.stage import Evaluation, Intervals, Stage
from bert_jax.training.state import TrainState, flatten
from bert_jax.training.watchdog import Watchdog
from bert_jax.training.window import Window


@dataclass(frozen=True)
class Computed:
    """A step that a device has been given; each function waits for what it returns.

    Attributes:
        state: the run's after the step; to be asked for before the next one is computed.
        metrics: of the step, as numbers of the host.
        norms: of the gradient of each parameter.
    """

    state: Callable[[], TrainState]
    metrics: Callable[[], Metrics]
    norms: Callable[[], NDArray[np.float32]]


class Stopwatch:
    """Seconds that were spent computing, those of evaluations and checkpoints left out."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._since: float | None = time.perf_counter()

    def read(self) -> float:
        """Return the seconds so far."""
        return self._seconds + (time.perf_counter() - self._since if self._since else 0.0)

    def pause(self) -> None:
        """Stop counting."""
        self._seconds, self._since = self.read(), None

    def resume(self) -> None:
        """Go on counting."""
        self._since = time.perf_counter()


@dataclass
class Loop:
    """A run's training, from whatever step its state stands at to the end.

    Attributes:
        stages: the phases, in order.
        rates: the learning rate of every step.
        intervals: how often to log, evaluate and save.
        guard: which gradients are too large to be followed.
        checkpoints: where states go.
        records: where metrics go.
        progress: what the user sees.
        stop: whether the user asked to stop.
        watchdog: ends a run that hangs.
        loss_terms: the metrics whose sum is the loss.
        peak_flops: of all devices together, where it is known.
        pacing: decides while the run goes on how many steps it takes; None: the stages say it.
        stopwatch: counts the time of steps; runs that are computed together share one.
    """

    stages: Sequence[Stage]
    rates: NDArray[np.float32]
    intervals: Intervals
    guard: SpikeGuard
    checkpoints: Checkpoints
    records: Records
    progress: Progress
    stop: StopRequest
    watchdog: Watchdog
    loss_terms: Sequence[str]
    peak_flops: float | None
    pacing: Pacing | None = None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def run(self, state: TrainState, window: Window) -> TrainState:
        """Train to the last step, or until an evaluation has seen enough.

        Raises:
            Stopped: a signal came; the state is saved.
            NumericsError: too many steps in a row were skipped.
        """
        if self.pacing:
            self._follow(self.pacing.begin(int(state.step)), int(state.step))
        with self.watchdog:
            for index in range(len(self.stages)):
                start = max(self.stages[index].start, int(state.step))
                if start < self.stages[index].end:
                    state = self._run_stage(index, start, state, window)
        return state

    def _run_stage(self, index: int, start: int, state: TrainState, window: Window) -> TrainState:
        attending = self.attend(index, start, window)
        limit = next(attending, None)
        if limit is None:
            return state
        stage = self.stages[index]
        end = sys.maxsize if self.pacing else stage.end  # which may move while it runs
        batches = prefetched(stage.batch, start, end)
        memory = KeptMemory()
        for step, batch in zip(range(start, end), batches, strict=True):
            state, metrics, norms = stage.train_step(
                state, batch, self.rates[step], np.float32(limit)
            )
            if step == start:
                check_placed(state, stage.shardings)
            told = functools.partial(jax.device_get, metrics), functools.partial(np.asarray, norms)
            try:
                limit = attending.send(Computed(lambda state=state: state, *told))
            except StopIteration:
                break
            memory.look()
        return state

    def attend(self, index: int, start: int, window: Window) -> Generator[float, Computed, None]:
        """Do all that a run does around the steps of a stage, which the caller computes.

        Yields the largest norm that the gradient of the next step may have, and is sent the step;
        returns after the last one, or when an evaluation has seen enough.

        Args:
            index: of the stage.
            start: the first step.
            window: what is known of the steps before.

        Raises:
            Stopped, NumericsError: as of `run`.
        """
        stage = self.stages[index]
        # A run may continue from the checkpoint that was its end.
        if stage.evaluation and stage.evaluation.enough():
            return
        clock, pending = _Clock(self.stopwatch), None
        for step in itertools.count(start):
            limit = self.guard.limit(window.norms, step, stage.start)
            computed = yield limit
            # Metrics are fetched one step late, when the device already has its next step.
            if pending is not None:
                self._take(pending, stage, computed, window)
            pending, done = _Dispatched(step, limit, computed), step + 1
            self.progress.advance()
            clock.steps += 1
            if self.pacing and self.pacing.due(done):
                self._take(pending, stage, computed, window)
                pending = None
                if course := self.pacing.look(done):
                    self._follow(course, done)
                    stage = self.stages[index]
            end = self.stages[-1].end
            stopping = self.stop.reached()
            saving = done % self.intervals.checkpoint == 0 or done == end or stopping
            logging = done % self.intervals.log == 0 or done == end
            evaluating = done % self.intervals.evaluate == 0 or done == end
            probe = stage.probe
            probing = probe and (done % probe.every == 0 or done == end)
            enough = False
            if saving or logging or evaluating or probing:
                if pending is not None:
                    self._take(pending, stage, computed, window)
                pending = None
                self.stopwatch.pause()
                if logging:
                    self._log(done, stage, window, clock)
                if evaluating and stage.evaluation:
                    with self.watchdog.asleep(), self._timed("evaluation"):
                        self._evaluate(stage.evaluation, done, computed.state().params)
                    enough = stage.evaluation.enough()
                if probe and probing:
                    with self.watchdog.asleep():  # a budget counts it among its steps
                        values = probe.metrics(computed.state().params)
                        self.records.metrics(done, "probe", values)
                        self.progress.metrics(done, "probe", values)
                stopping = stopping or self.stop.reached()  # while it was evaluated
                if saving or enough or stopping:
                    with self._timed("saving"):
                        self.records.sync()
                        self.checkpoints.save(computed.state(), asdict(window))
                    self.watchdog.alive()
                if stopping and done < end:
                    assert self.stop.number is not None
                    raise Stopped(self.stop.number, f" at step {done}, saved")
                self.stopwatch.resume()
            if enough or done >= stage.end:
                break
        if pending is not None:
            self._take(pending, stage, pending.computed, window)

    def _follow(self, course: Course, step: int) -> None:
        """Go on as a course says."""
        self.stages, self.rates, self.intervals = course.stages, course.rates, course.intervals
        self.progress.plan(course.stages[-1].end)
        if course.note:
            self.records.note(step, course.note)
            self.progress.say(f"note: {course.note}")

    def _timed(self, what: str) -> contextlib.AbstractContextManager[None]:
        return self.pacing.timed(what) if self.pacing else contextlib.nullcontext()

    def _take(self, step: "_Dispatched", stage: Stage, latest: Computed, window: Window) -> None:
        """Wait for a step to be finished, and look at what it tells."""
        metrics = step.computed.metrics()
        self.watchdog.alive()
        norm = float(metrics["grad_norm"].numerator)
        window.add(metrics)
        window.norms = self.guard.remember(window.norms, step.index, norm)
        if not window.skipped_in_a_row:
            return
        values = {name: float(top) / max(float(low), 1e-9) for name, (top, low) in metrics.items()}
        skipped = describe_skipped(
            norm=norm,
            limit=step.limit,
            loss=self._with_loss(values).get("loss"),
            rows=stage.rows(step.index).tolist(),
            norms=dict(
                zip(flatten(latest.state().params), step.computed.norms().tolist(), strict=True)
            ),
        )
        self.records.skipped(step.index + 1, skipped)
        size = f"gradient norm {norm:.4g}, may be {step.limit:.4g}"
        self.progress.say(f"step {step.index + 1} skipped: {size}; see skipped.jsonl")
        if window.skipped_in_a_row >= self.intervals.skipped_limit:
            raise NumericsError(
                f"{window.skipped_in_a_row} steps in a row were skipped, the last with a {size}; "
                "lower config.optimizer.learning_rate, lengthen its warm-up, or look for what is "
                "wrong in the rows that skipped.jsonl names; the last checkpoint is still good"
            )

    def _log(self, step: int, stage: Stage, window: Window, clock: "_Clock") -> None:
        values = self._with_loss(window.means())
        values["learning_rate"] = float(self.rates[step - 1])
        speed = clock.lap()
        values["sequences_per_second"] = stage.sequences * speed
        values["tokens_per_second"] = stage.tokens * speed
        if stage.useful_tokens is not None:
            values["useful_tokens_per_second"] = stage.useful_tokens * speed
        values["model_flops_per_second"] = stage.flops * speed
        if self.peak_flops:
            values["peak_share"] = values["model_flops_per_second"] / self.peak_flops
        self.records.metrics(step, "train", values)
        self.progress.metrics(step, "train", values)

    def _evaluate(self, evaluation: Evaluation, step: int, params: Any) -> None:
        values = self._with_loss(evaluation.metrics(params))
        self.records.metrics(step, "validation", values)
        self.progress.metrics(step, "validation", values)
        self.records.samples(step, evaluation.samples(params))
        for text in evaluation.follow(step, params, values):
            self.records.note(step, text)
            self.progress.say(f"note: {text}")

    def _with_loss(self, values: dict[str, float]) -> dict[str, float]:
        if not all(term in values for term in self.loss_terms):
            return values  # an evaluation may be of other things than the loss
        return {"loss": sum(values[term] for term in self.loss_terms), **values}


@dataclass(frozen=True)
class _Dispatched:
    """A step that is not yet looked at."""

    index: int
    limit: float
    computed: Computed


class _Clock:
    """Steps a second."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self.steps = 0
        self._stopwatch = stopwatch
        self._before = stopwatch.read()

    def lap(self) -> float:
        """Return the speed since the last lap, in steps a second, while time is paused."""
        seconds = self._stopwatch.read()
        speed = self.steps / max(seconds - self._before, 1e-9)
        self.steps, self._before = 0, seconds
        return speed
