"""A run that has so many minutes: it times its steps, and fits its recipe into what is left."""

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import optax

from bert_jax.runs.budget_file import Account, BudgetFile, Decision
from bert_jax.training.pace import Course, Pace, steps_in
from bert_jax.training.phases import Phase
from bert_jax.training.processes import Processes
from bert_jax.training.schedules import RateTable
from bert_jax.training.stage import Intervals, Stage

_TIMED_STEPS = 10  # of a phase, before it is known how fast it is; the first is compiled
_LOOKS = 8  # an eighth of the steps that are left go by between two looks at the clock
_LEAST_BETWEEN = 4  # steps
_TOLERANCE = 0.01  # of the steps left: smaller changes are not worth a new plan
_SLACK = 0.2  # of the margin: nor are those that take less time
_TOLD = 0.1  # of the run's steps: smaller changes are not worth a note
_MOST_SHARE = 0.1  # of the time: what evaluations may take, and what saving may
_EVALUATIONS, _LINES = 10, 40  # that a run has at least, whatever its config counts in steps


def margin(seconds: float) -> float:
    """Return what is kept of a budget for the report, and for what comes out slower: 5 s and 1%."""
    return min(60.0, 5.0 + 0.01 * seconds)


@dataclass(frozen=True)
class Part:
    """A phase of the recipe, as it is reckoned with.

    Attributes:
        phase: where it begins and ends in the recipe.
        flops: of a step, by which it is guessed how long one takes before any was timed.
        evaluation_steps: how many steps' forward passes an evaluation is.
    """

    phase: Phase
    flops: float
    evaluation_steps: float


class Budget:
    """See `training.pace.Pacing`. Process 0 decides; the others are told, at the same steps."""

    def __init__(
        self,
        seconds: float,
        file: BudgetFile,
        account: Account,
        processes: Processes,
        *,
        parts: Sequence[Part],
        rate: optax.Schedule,
        intervals: Intervals,
        lay_out: Callable[[Sequence[Phase]], Sequence[Stage]],
        since: float,
        clock: Callable[[], float],
    ) -> None:
        """Begin to count.

        Args:
            seconds: the whole budget.
            file: where decisions are kept.
            account: what was decided and spent before this process.
            processes: those of the run.
            parts: every phase of the recipe.
            rate: the recipe's.
            intervals: the config's.
            lay_out: gives the stages that this process began with, for phases as they lie now.
            since: when this process started, by the clock.
            clock: in seconds.
        """
        self._seconds, self._file, self._account = seconds, file, account
        self._processes, self._parts, self._rates = processes, parts, RateTable(rate)
        self._intervals, self._lay_out, self._clock = intervals, lay_out, clock
        self._since, self._before = since, account.spent
        self._phases = phases_at(account.pace, [part.phase for part in parts])
        self._last = clock()  # when anything was timed last
        self._phase: Part | None = None  # that steps are taken in
        self._mark: tuple[int, float] | None = None  # steps finished, when
        self._elsewhere = 0.0  # seconds since the mark that went into no step
        self._look_at = 0
        self._told_steps = account.pace.steps

    @property
    def spent(self) -> float:
        """Seconds of the budget that are gone."""
        return self._before + self._clock() - self._since

    def begin(self, step: int) -> Course:
        """Say what lies before a run; one that continues is planned anew with what was measured."""
        self._last = self._clock()
        decision = None
        if step and self._account.costs.step and self._processes.first:
            decision = self._decide(step, compiling=True)
        return self._follow(step, decision) or self._course("")

    def due(self, done: int) -> bool:
        """Tell whether to look at the clock: after a phase's first step, and now and then."""
        part = self._part_at(done - 1)
        if part is not self._phase:
            self._phase, self._mark = part, None
            return True
        return self._look_at <= done < self._account.pace.steps

    def look(self, done: int) -> Course | None:
        """Look at the clock, and plan anew where the plan does not hold."""
        assert self._phase is not None
        now, mark, costs = self._clock(), self._mark, self._account.costs
        self._mark, elsewhere, self._elsewhere = (done, now), self._elsewhere, 0.0
        if mark is None:  # the first step, which was compiled
            costs.compiling = now - self._last
            ahead = self._phases[self._parts.index(self._phase)].end - done
            self._look_at = done + min(_TIMED_STEPS - 1, max(2, ahead // 4))
            return None
        speed = (now - mark[1] - elsewhere) / (done - mark[0])
        costs.step[self._phase.phase.name] = max(speed, 1e-6)
        return self._follow(done, self._decide(done) if self._processes.first else None)

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Take the time of an evaluation or of saving; the account is kept along with a state."""
        if what == "saving":
            self._keep()
        began = self._clock()
        yield
        if what == "saving":
            self._keep()
        now = self._clock()
        setattr(self._account.costs, what, now - began)
        self._elsewhere += now - began
        self._last = now

    def _part_at(self, step: int) -> Part:
        return next(p for p, at in zip(self._parts, self._phases, strict=True) if step < at.end)

    def _decide(self, done: int, *, compiling: bool = False) -> Decision | None:
        """Plan the steps after `done`; None where the plan that there is holds.

        Args:
            done: steps taken.
            compiling: whether the step is still to be compiled, or found in a cache.
        """
        account, pace = self._account, self._account.pace
        spent = self.spent
        left = self._seconds - spent - margin(self._seconds)
        if compiling:
            left -= account.costs.compiling or 0.0
        steps, stretches, intervals = 1, self._stretches(done), self._intervals
        for _ in range(4):  # what is looked up costs steps, and fewer steps are looked up less
            intervals = self._fitted(done + steps)
            steps = steps_in(left - self._overhead(done, steps, intervals), stretches)
        change = abs(done + steps - pace.steps)
        small = max(
            _TOLERANCE * (pace.steps - done),
            _SLACK * margin(self._seconds) / max(left, 1e-9) * steps,
        )
        holds = account.intervals and _alike(account.intervals, intervals)
        if holds and change <= small:
            return None
        intervals = account.intervals if holds and account.intervals else intervals
        return Decision(done, spent, done + steps, dict(account.costs.step), intervals)

    def _stretches(self, done: int) -> list[tuple[float, float]]:
        """List what is left of each phase in the recipe, and the seconds of a step there."""
        position = float(self._account.pace.positions()[done - 1])
        found = []
        for part in self._parts:
            left = part.phase.end - max(part.phase.start, position)
            if left > 0:
                found.append((left, self._step_seconds(part)))
        return found

    def _step_seconds(self, part: Part) -> float:
        """Give the seconds of a step in a phase, guessed from another where none was timed."""
        known = self._account.costs.step
        if part.phase.name in known:
            return known[part.phase.name]
        other = next(p for p in reversed(self._parts) if p.phase.name in known)
        return known[other.phase.name] * part.flops / other.flops

    def _overhead(self, done: int, steps: int, intervals: Intervals) -> float:
        """Reckon the seconds of all that is no step, up to the end."""
        costs, last = self._account.costs, done + steps
        looked = [
            (last - 1) // every - done // every + 1
            for every in (intervals.evaluate, intervals.checkpoint)
        ]
        phases = [at for at in self._phases if at.start >= done and at.start < at.end]
        compiling = costs.compiling or 0.0
        first_evaluation = 0.0 if costs.evaluation is not None else 0.5 * compiling
        return (
            max(1, looked[0]) * self._evaluation_seconds()
            + max(1, looked[1]) * self._saving_seconds()
            + 1.5 * compiling * len(phases)
            + first_evaluation
        )

    def _evaluation_seconds(self) -> float:
        if self._account.costs.evaluation is not None:
            return self._account.costs.evaluation
        part = self._phase or self._parts[0]
        return part.evaluation_steps * self._step_seconds(part) / 3  # backward costs twice as much

    def _saving_seconds(self) -> float:
        return 1.0 if self._account.costs.saving is None else self._account.costs.saving

    def _fitted(self, steps: int) -> Intervals:
        """Have a run of so many steps look up so often that it is followed, and not too often."""

        def every(of_config: int, seconds: float) -> int:
            most = max(1, int(_MOST_SHARE * self._seconds / max(seconds, 1e-6)))
            return max(1, min(of_config, -(-steps // _EVALUATIONS)), -(-steps // most))

        config = self._intervals
        return replace(
            config,
            log=max(1, min(config.log, steps // _LINES)),
            evaluate=every(config.evaluate, self._evaluation_seconds()),
            checkpoint=every(config.checkpoint, self._saving_seconds()),
        )

    def _follow(self, done: int, decision: Decision | None) -> Course | None:
        """Take over what process 0 decided, and write it down; None where all stays as it was."""
        text = json.dumps(asdict(decision) if decision else None)
        values = json.loads(self._processes.told("budget", text))
        note = ""
        if values:
            decision = Decision(**{**values, "intervals": Intervals(**values["intervals"])})
            steps = self._account.pace.steps
            self._account = self._account.after(decision)
            self._phases = phases_at(self._account.pace, [part.phase for part in self._parts])
            note = self._note(decision, steps)
        left = self._account.pace.steps - done
        self._look_at = done + max(_LEAST_BETWEEN, math.ceil(left / _LOOKS))
        self._last = self._clock()
        if not values:
            return None
        self._keep()
        return self._course(note)

    def _course(self, note: str) -> Course:
        return Course(
            self._lay_out(self._phases),
            self._rates(self._account.pace.positions()),
            self._account.intervals or self._intervals,
            note,
        )

    def _note(self, decision: Decision, before: int) -> str:
        """Say what was decided, if the user should know."""
        first = len(self._account.plans) == 1
        if not first and abs(decision.steps - self._told_steps) <= _TOLD * self._told_steps:
            return ""
        self._told_steps = decision.steps
        speeds = ", ".join(
            f"{seconds:.3g} s a step" + (f" in {name}" if len(decision.seconds_a_step) > 1 else "")
            for name, seconds in decision.seconds_a_step.items()
        )
        minutes = f"{self._seconds / 60:g} minutes, of which {decision.spent / 60:.1f} are spent"
        if self._seconds - decision.spent < margin(self._seconds):
            return f"the budget of {minutes}, is used up; the run ends at step {decision.steps:,}"
        if first:
            return f"planned for {minutes}: {decision.steps:,} steps ({speeds})"
        now = f"{decision.steps:,} steps in all, not {before:,}"
        return f"planned anew for {minutes}: {now} ({speeds})"

    def _keep(self) -> None:
        self._account = replace(self._account, spent=self.spent)
        self._file.write(self._seconds, self._account, self._phases)


def _alike(one: Intervals, other: Intervals) -> bool:
    pairs = [(one.evaluate, other.evaluate), (one.checkpoint, other.checkpoint)]
    return all(max(pair) <= 1.5 * min(pair) for pair in pairs)


def phases_at(pace: Pace, recipe: Sequence[Phase]) -> list[Phase]:
    """Return the phases of a recipe where they lie at a pace; one may have no step left."""
    starts = [pace.first_at(phase.start) for phase in recipe]
    return [
        replace(phase, start=start, end=end)
        for phase, start, end in zip(recipe, starts, [*starts[1:], pace.steps], strict=True)
    ]
