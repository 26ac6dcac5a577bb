"""The loop where it is decided on the way how many steps a run takes."""

import contextlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bert_jax.objectives.objective import Objective, Ratio
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.loop import Loop
from bert_jax.training.optimizer import skippable
from bert_jax.training.pace import Course
from bert_jax.training.progress import Progress
from bert_jax.training.records import Records
from bert_jax.training.signals import StopRequest
from bert_jax.training.skipping import SpikeGuard
from bert_jax.training.stage import Intervals, Stage
from bert_jax.training.state import TrainState
from bert_jax.training.step import make_train_step
from bert_jax.training.watchdog import Watchdog
from bert_jax.training.window import Window


def loss(params, examples, weights, key):
    del key
    value = jnp.sum(examples * params["w"])
    return value / weights["loss"], {"loss": Ratio(value, weights["loss"])}


OBJECTIVE = Objective(
    examples=lambda batch, key: batch,
    weights=lambda examples: {"loss": jnp.asarray(1.0)},
    loss=loss,
)
OPTIMIZER = skippable(optax.identity())
STEP = jax.jit(make_train_step(OBJECTIVE, OPTIMIZER))


def initial_state():
    params = {"w": jnp.ones(3)}
    moments = OPTIMIZER.init(params)
    return TrainState(jnp.zeros((), jnp.int32), params, moments, jax.random.key(0))


LIES = jax.tree.map(lambda leaf: leaf.sharding, initial_state())


class Decided:
    """Decides at steps, by a plan: where both stages end, and how often to log."""

    def __init__(self, taken, plan):
        self.taken, self.plan, self.timings = taken, plan, []

    def begin(self, step):
        return self._course(self.plan[0], "")

    def due(self, done):
        return done in self.plan

    def look(self, done):
        return self.plan[done] and self._course(self.plan[done], f"planned at {done}")

    @contextlib.contextmanager
    def timed(self, what):
        self.timings.append(what)
        yield

    def _course(self, plan, note):
        first, second, log = plan
        stages = [self._stage(0, first), self._stage(first, second)]
        rates = np.arange(second, dtype=np.float32) + 100 * first
        intervals = Intervals(log=log, evaluate=7, checkpoint=100, skipped_limit=5)
        return Course(stages, rates, intervals, note)

    def _stage(self, start, end):
        def step(state, batch, rate, limit):
            self.taken.append((start, int(batch[0]), float(rate)))
            return STEP(state, batch, rate, limit)

        return Stage(
            start=start,
            end=end,
            train_step=step,
            batch=lambda step: np.full(3, step - start, np.float32),
            rows=lambda step: np.arange(1),
            shardings=LIES,
            sequences=1,
            tokens=1,
            flops=1.0,
            evaluation=None,
        )


@pytest.mark.parametrize(
    "plan, ends, rates",
    [
        # As planned at first; shorter, while the first stage is run; longer, in the second.
        ({0: (10, 20, 5)}, (10, 20), [1000] * 20),
        ({0: (10, 20, 5), 6: (8, 12, 2), 7: None}, (8, 12), [1000] * 6 + [800] * 6),
        ({0: (5, 20, 5), 6: (5, 9, 5), 8: (5, 11, 5)}, (5, 11), [500] * 11),
        # Over at once, and with nothing left for the second stage.
        ({0: (10, 20, 5), 4: (5, 5, 5)}, (5, 5), [1000] * 4 + [500]),
        ({0: (10, 20, 5), 4: (4, 6, 5)}, (4, 6), [1000] * 4 + [400] * 2),
    ],
)
def test_the_loop_follows_what_is_decided(tmp_path, plan, ends, rates):
    taken, (first, last) = [], ends
    pacing = Decided(taken, plan)
    records = Records(tmp_path, 0)
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1)
    course = pacing.begin(0)
    loop = Loop(
        course.stages,
        rates=course.rates,
        intervals=course.intervals,
        guard=SpikeGuard(0.0, 10),
        checkpoints=checkpoints,
        records=records,
        progress=Progress(0, 20),
        stop=StopRequest(),
        watchdog=Watchdog(0.0),
        loss_terms=("loss",),
        peak_flops=None,
        pacing=pacing,
    )
    state = loop.run(initial_state(), Window())
    records.close()
    assert int(state.step) == last and checkpoints.steps() == [last]
    starts = [0] * first + [first] * (last - first)
    steps = [step - start for step, start in enumerate(starts)]
    assert [batch for _, batch, _ in taken] == steps
    assert [rate for _, _, rate in taken] == [rate + i for i, rate in enumerate(rates)]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == last and lines[-1]["learning_rate"] == rates[-1] + last - 1
    notes = tmp_path / "notes.jsonl"
    told = (
        [json.loads(line)["step"] for line in notes.read_text().splitlines()]
        if len(plan) > 1
        else []
    )
    assert told == [step for step, of in plan.items() if step and of]
    assert pacing.timings == ["saving"]
