"""The next values of a search, by Optuna's tree-structured Parzen estimator.

It fits one density to the best tenth of the runs and one to the others, and takes of some draws
the one where the first is largest beside the second (Bergstra et al. 2011, "Algorithms for
Hyper-Parameter Optimization"), for all fields at once (Falkner et al. 2018, arXiv:1807.01774).
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bert_jax.errors import ConfigError
from bert_jax.sweeps.space import Choice, Range, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_AT_RANDOM = 5  # runs that are over before any is drawn by what they came to
_SAME_AGAIN = 10  # suggestions that were no use, after which they are drawn at random


@dataclass(frozen=True)
class Told:
    """A run, as a search sees it.

    Attributes:
        places: of its values in the space.
        state: "finished"; "failed", which is worse than all that finished; "running", also of one
            that is yet to be.
        value: what it came to, of a finished one.
    """

    places: Mapping[str, float]
    state: Literal["finished", "failed", "running"]
    value: float | None = None


def need_optuna() -> None:
    """Find out whether Optuna is here.

    Raises:
        ConfigError: it is not.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("--search: wants Optuna; pip install 'bert_jax[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study


def suggestions(
    space: Space, told: Sequence[Told], *, lower_is_better: bool, seed: int
) -> Iterator[dict[str, float]]:
    """Suggest places in the space for one more run, without end, until one of them is of use.

    They are a function of the arguments alone: nothing has to be kept for a search to go on. Of
    those that go on something bad is supposed, so that runs at once are not all the same.

    Args:
        space: what to choose from.
        told: all runs so far.
        lower_is_better: whether what they came to is to be small.
        seed: from 0.
    """
    from optuna import create_study
    from optuna.samplers import RandomSampler, TPESampler
    from optuna.trial import TrialState, create_trial

    states = {
        "finished": TrialState.COMPLETE,
        # Not FAIL, which TPE leaves out: where it knows of nothing it would try again and again.
        "failed": TrialState.PRUNED,
        "running": TrialState.RUNNING,
    }
    drawn = int(np.random.SeedSequence((seed, len(told))).generate_state(1)[0])
    fields = {name: _distribution(field) for name, field in space.fields.items()}
    study = create_study(
        direction="minimize" if lower_is_better else "maximize",
        sampler=TPESampler(n_startup_trials=_AT_RANDOM, constant_liar=True, seed=drawn),
    )
    for run in told:
        study.add_trial(
            create_trial(
                state=states[run.state],
                value=run.value,
                params=dict(run.places),
                distributions=fields,
            )
        )
    for number in itertools.count():
        if number == _SAME_AGAIN:
            study.sampler = RandomSampler(seed=drawn)
        yield dict(study.ask(fields).params)


def _distribution(field: Range | Choice) -> "BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(field, Choice):
        return CategoricalDistribution(range(len(field.values)))
    if field.whole:
        return IntDistribution(int(field.low), int(field.high), log=field.log)
    return FloatDistribution(field.low, field.high, log=field.log)
