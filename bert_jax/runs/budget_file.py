"""What is kept of a run's budget: what was measured, what was decided, what is spent."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bert_jax import cli
from bert_jax.errors import ConfigError, DataError
from bert_jax.training.pace import Pace, untimed
from bert_jax.training.phases import Phase
from bert_jax.training.processes import Processes
from bert_jax.training.stage import Intervals
from bert_jax.whole import write_json

FILE = "budget.json"


@dataclass
class Costs:
    """Seconds that things take, as measured last; None and missing: not yet.

    Attributes:
        step: by phase.
        compiling: a phase's step.
        evaluation: one.
        saving: once.
    """

    step: dict[str, float] = field(default_factory=dict)
    compiling: float | None = None
    evaluation: float | None = None
    saving: float | None = None


@dataclass(frozen=True)
class Decision:
    """How many steps a run takes, decided at one of them.

    Attributes:
        step: after which it was decided.
        spent: seconds of the budget by then.
        steps: of the whole run.
        seconds_a_step: by phase, as measured by then.
        intervals: at which the run looks up.
    """

    step: int
    spent: float
    steps: int
    seconds_a_step: dict[str, float]
    intervals: Intervals


@dataclass(frozen=True)
class Account:
    """All that is known of a budget; decisions and the pace after each stand in their order.

    Attributes:
        recipe_steps: of the config.
        spent: seconds, by all processes that worked on the run one after another.
        plans: decisions with the pace that they led to.
        costs: measured.
    """

    recipe_steps: int
    spent: float = 0.0
    plans: tuple[tuple[Decision, Pace], ...] = ()
    costs: Costs = field(default_factory=Costs)

    @property
    def pace(self) -> Pace:
        """The pace decided last."""
        return self.plans[-1][1] if self.plans else untimed(self.recipe_steps)

    @property
    def intervals(self) -> Intervals | None:
        """What was decided of them; None where nothing is yet."""
        return self.plans[-1][0].intervals if self.plans else None

    def after(self, decision: Decision) -> "Account":
        """Give the account with another decision."""
        pace = self.pace.replanned(decision.step, decision.steps - decision.step)
        return replace(self, plans=(*self.plans, (decision, pace)))

    def until(self, step: int) -> "Account":
        """Forget what was decided after a step that a run continues from; no time comes back."""
        return replace(self, plans=tuple(plan for plan in self.plans if plan[0].step <= step))


class BudgetFile:
    """budget.json in a run's folder."""

    def __init__(self, workdir: Path, shared: Path) -> None:
        """Name it, where this process writes and where all read."""
        self._own, self._shared = workdir / FILE, shared / FILE

    def read(self, processes: Processes, recipe_steps: int) -> Account | None:
        """Return what was kept, the same for all processes; None where nothing was.

        Raises:
            DataError: it is damaged.
            ConfigError: it is of a recipe with another number of steps.
        """
        text = self._shared.read_text(encoding="utf-8") if self._shared.exists() else "null"
        try:
            values = json.loads(processes.told("kept budget", text))
            if values is None:
                return None
            account = _account(values)
        except (ValueError, TypeError, KeyError, ConfigError, RecursionError) as error:
            raise DataError(
                f"{self._shared}: unreadable ({error}); give back the file, or choose another "
                "--workdir"
            ) from error
        if account.recipe_steps != recipe_steps:
            raise ConfigError(
                f"config.train.steps={recipe_steps}: the run was planned from a recipe of "
                f"{account.recipe_steps} steps; continue it with that, or choose another --workdir"
            )
        return account

    def write(self, seconds: float, account: Account, phases: Sequence[Phase]) -> None:
        """Keep an account; for whoever reads it also where phases lie now."""
        values = {
            "budget_seconds": seconds,
            "spent_seconds": round(account.spent, 3),
            "steps": account.pace.steps,
            "phases": {phase.name: phase.start for phase in phases},
            "recipe_steps": account.recipe_steps,
            "costs": asdict(account.costs),
            "plans": [{**asdict(plan), "knots": pace.knots} for plan, pace in account.plans],
        }
        write_json(self._own, values)


def _account(values: dict[str, Any]) -> Account:
    plans = []
    for plan in values["plans"]:
        plan = dict(plan)
        knots = tuple((int(step), float(place)) for step, place in plan.pop("knots"))
        if not knots or any(a >= b for a, b in zip(knots, knots[1:], strict=False)):
            raise ValueError(f"knots {knots} do not rise")
        plans.append((cli.build(Decision, plan, "plans"), Pace(knots)))
    return Account(
        recipe_steps=int(values["recipe_steps"]),
        spent=float(values["spent_seconds"]),
        plans=tuple(plans),
        costs=cli.build(Costs, values["costs"], "costs"),
    )
