"""The budget of a pretraining run: what it is given to plan with."""

import time
from collections.abc import Sequence

from bert_jax.data.batches import PretrainingRows
from bert_jax.errors import ConfigError
from bert_jax.runs.assembly import Pretraining
from bert_jax.runs.budget import Budget, Part
from bert_jax.runs.budget_file import Account, BudgetFile
from bert_jax.runs.folder import RunFolder
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.training.phases import Phase
from bert_jax.training.processes import current
from bert_jax.training.stage import Intervals, Stage

clock = time.monotonic  # by which a budget is reckoned


def account_of(config: PretrainConfig, folder: RunFolder, step: int) -> Account | None:
    """Return what is known of the budget of a run that stands at a step; None without a budget.

    Raises:
        ConfigError: the run began without a budget, or with one.
        DataError: what was kept is damaged.
    """
    kept = BudgetFile(folder.workdir, folder.shared).read(current(), config.train.steps)
    with_budget = config.budget_minutes > 0
    if step and with_budget != (kept is not None):
        began, want = ("without", "leave it out") if with_budget else ("with", "give it again")
        raise ConfigError(
            f"config.budget_minutes={config.budget_minutes:g}: the run in {folder.shared} began "
            f"{began} a budget; {want}, or choose another --workdir"
        )
    if not with_budget:
        return None
    return (kept or Account(config.train.steps)).until(step)


def budget_of(
    config: PretrainConfig,
    folder: RunFolder,
    account: Account,
    pretraining: Pretraining,
    stages: Sequence[Stage],
    rows: Sequence[PretrainingRows],
    since: float,
    intervals: Intervals,
) -> Budget:
    """Put the budget of a run together.

    Args:
        config: of the run.
        folder: of the run.
        account: what is known.
        pretraining: the run; its plan is the recipe.
        stages: those of the phases that are left.
        rows: of each of them.
        since: when the process started, by the clock.
        intervals: those of the config.
    """
    recipe = pretraining.plan.phases
    gone = len(recipe) - len(stages)

    def lay_out(phases: Sequence[Phase]) -> list[Stage]:
        now = phases[gone:]
        together = zip(stages, now, rows, strict=True)
        return [pretraining.moved(stage, phase, of) for stage, phase, of in together]

    evaluated = config.train.eval_sequences if stages[-1].evaluation else 0
    parts = [Part(at, pretraining.flops(at), evaluated / at.batch_size) for at in recipe]
    return Budget(
        60 * config.budget_minutes,
        BudgetFile(folder.workdir, folder.shared),
        account,
        current(),
        parts=parts,
        rate=pretraining.plan.rate,
        intervals=intervals,
        lay_out=lay_out,
        since=since,
        clock=clock,
    )
