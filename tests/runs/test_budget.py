"""A budget of minutes: runs end in time, at the end of their recipe, on machines of any speed."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from bert_jax.errors import ConfigError, DataError
from bert_jax.runs.budget import Budget, Part, phases_at
from bert_jax.runs.budget_file import Account, BudgetFile
from bert_jax.training.pace import Pace, untimed
from bert_jax.training.phases import Phase
from bert_jax.training.processes import Processes
from bert_jax.training.schedules import Schedule, learning_rate
from bert_jax.training.stage import Intervals

RECIPE = 1000
RATE = learning_rate(Schedule(1.0, 100, "linear", 0.0), RECIPE)
LAST_RATE = 1 / RECIPE  # of the recipe's last step
INTERVALS = Intervals(log=50, evaluate=250, checkpoint=250, skipped_limit=5)
LONG, REPORT = 900, 3.0  # where the second phase begins; seconds after the last step


def phase(name: str, start: int, end: int) -> Phase:
    return Phase(name, 0 if name == "first" else 1, start, end, 8, 32, 5, 1)


class Machine:
    """Takes the time of a run's steps, evaluations and saving, and stops where it is told to."""

    def __init__(
        self,
        speed: Callable[[str, float], float],
        evaluation=1.0,
        saving=0.5,
        compiling=5.0,
        flops=1.0,
    ) -> None:
        """Give the seconds of a step by phase and by the seconds that have gone by."""
        self.now, self.rates, self.names, self.notes = 0.0, {}, {}, []
        self._speed, self._evaluation, self._saving = speed, evaluation, saving
        self._compiling, self._flops = compiling, flops

    def run(self, folder, seconds: float, *, step: int = 0, stop_at: int | None = None) -> int:
        """Run from a step as the loop does; return the step it stands at then."""
        since, file = self.now, BudgetFile(folder, folder)
        self.now += 4.0  # imports, data
        account = (file.read(Processes(), RECIPE) or Account(RECIPE)).until(step)
        recipe = [phase("first", 0, LONG), phase("long", LONG, RECIPE)]
        parts = [Part(at, 1.0 if at.name == "first" else self._flops, 10.0) for at in recipe]
        budget = Budget(
            seconds, file, account, Processes(), parts=parts, rate=RATE, intervals=INTERVALS,
            lay_out=lambda phases: phases, since=since, clock=lambda: self.now,
        )  # fmt: skip
        course, before = budget.begin(step), ""
        while step < course.stages[-1].end:
            name = next(at.name for at in course.stages if step < at.end)
            self.now += self._compiling if name != before else 0
            before = name
            self.now += self._speed(name, self.now)
            self.rates[step], self.names[step] = course.rates[step], name
            step += 1
            if budget.due(step):
                course = budget.look(step) or course
                note = (step, course.note)
                self.notes += (
                    [note] if course.note and note[1] not in dict(self.notes).values() else []
                )
            end = step == course.stages[-1].end
            if step % course.intervals.evaluate == 0 or end:
                with budget.timed("evaluation"):
                    self.now += self._evaluation
            if step % course.intervals.checkpoint == 0 or end or step == stop_at:
                with budget.timed("saving"):
                    self.now += self._saving
            if step == stop_at:
                return step
        self.now += REPORT
        return step


def steady(name: str, now: float) -> float:
    return 0.1


MACHINES = {
    "steady": Machine(steady),
    "slow": Machine(lambda name, now: 2.0),
    "fast": Machine(lambda name, now: 0.02),
    "slower from half": Machine(lambda name, now: 0.1 if now < 150 else 0.35),
    "faster from half": Machine(lambda name, now: 0.1 if now < 150 else 0.03),
    "longer rows": Machine(lambda name, now: 0.1 if name == "first" else 0.9, flops=4.0),
    "restless": Machine(lambda name, now: 0.1 + 0.09 * np.sin(now / 7)),
    "slow to look up": Machine(steady, evaluation=9.0, saving=4.0, compiling=20.0),
}


@pytest.mark.parametrize("name", MACHINES)
def test_a_run_ends_in_time_and_at_the_end_of_its_recipe(tmp_path, name):
    machine = MACHINES[name]
    steps = machine.run(tmp_path, 300.0)
    assert 0.93 * 300 <= machine.now <= 300
    rates = np.array([machine.rates[step] for step in range(steps)])
    assert rates[-1] == pytest.approx(LAST_RATE, rel=1e-3)
    # A tenth of the recipe is warm-up, and a tenth the second phase: so of the run, where its
    # steps are of one speed.
    peak = int(rates.argmax())
    assert rates[peak] > 0.9
    assert np.all(np.diff(rates[:peak]) > 0) and np.all(np.diff(rates[peak + 1 :]) < 0)
    long = sum(of == "long" for of in machine.names.values())
    if name in ("steady", "slow", "fast", "slow to look up"):
        # The slow one takes ten of 130 steps before it is timed.
        assert long / steps == pytest.approx(0.1, abs=0.04)
        assert peak / steps == pytest.approx(0.1, abs=0.04)
    assert long >= 2
    assert machine.notes[0][0] == 10 and machine.notes[0][1].startswith("planned for 5 minutes")
    assert len(machine.notes) <= 12


def test_a_stopped_run_goes_on_within_what_is_left(tmp_path):
    machine = Machine(steady)
    stopped = machine.run(tmp_path, 300.0, stop_at=1000)
    spent = machine.now
    machine.now += 10_000  # nothing runs
    machine._speed = lambda name, now: 0.2  # on another machine
    steps = machine.run(tmp_path, 300.0, step=stopped)
    used = spent + machine.now - spent - 10_000
    assert 0.93 * 300 <= used <= 300
    assert machine.rates[steps - 1] == pytest.approx(LAST_RATE, rel=1e-3)
    assert abs(machine.rates[stopped] - machine.rates[stopped - 1]) < 2e-3
    # A run that is killed goes on from a checkpoint before: its plan is that of then, its time is
    # gone.
    file = BudgetFile(tmp_path, tmp_path)
    whole = file.read(Processes(), RECIPE)
    assert whole is not None
    account = whole.until(500)
    assert account.spent == whole.spent and account.plans == whole.plans[: len(account.plans)]
    assert 0 < len(account.plans) < len(whole.plans)
    assert whole.until(9).pace == untimed(RECIPE)


def test_a_budget_that_is_used_up_ends_the_run_and_its_recipe(tmp_path):
    machine = Machine(lambda name, now: 5.0)
    steps = machine.run(tmp_path, 20.0)
    assert steps == 11 and machine.rates[10] == pytest.approx(LAST_RATE, rel=1e-3)
    assert "is used up; the run ends at step 11" in machine.notes[0][1]


def test_a_pace_that_is_planned_anew_goes_on_from_where_it_stands():
    pace = Pace(((0, 0.0), (99, 999.0)))
    assert (pace.steps, pace.recipe_steps) == (100, 1000)
    slower = pace.replanned(50, 150)
    np.testing.assert_allclose(slower.positions()[:50], pace.positions()[:50])
    assert slower.steps == 200 and slower.positions()[-1] == 999
    assert np.ptp(np.diff(slower.positions()[49:])) < 1e-9
    recipe = [phase("first", 0, LONG), phase("long", LONG, RECIPE)]
    assert [(at.start, at.end) for at in phases_at(pace, recipe)] == [(0, 90), (90, 100)]
    assert [(at.start, at.end) for at in phases_at(slower, recipe)] == [(0, 170), (170, 200)]


def test_a_file_that_cannot_be_used_is_told(tmp_path):
    file = BudgetFile(tmp_path, tmp_path)
    Machine(steady).run(tmp_path, 60.0)
    with pytest.raises(ConfigError, match="planned from a recipe of 1000 steps"):
        file.read(Processes(), 2000)
    values = json.loads((tmp_path / "budget.json").read_text())
    plan = values["plans"][0]
    for damaged in (
        [],
        {**values, "plans": [{**plan, "knots": plan["knots"][::-1]}]},
        {**values, "plans": [{**plan, "steps": "many"}]},
        {**values, "costs": {"step": 3}},
    ):
        (tmp_path / "budget.json").write_text(json.dumps(damaged))
        with pytest.raises(DataError, match=r"budget.json: unreadable"):
            file.read(Processes(), RECIPE)
