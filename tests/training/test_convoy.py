"""Loops that keep step: stopped together, ended apart, each as it is alone."""

import json
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bert_jax.errors import NumericsError
from bert_jax.heap import KeptMemory
from bert_jax.objectives.objective import Objective, Ratio
from bert_jax.training.abreast import SideBySide
from bert_jax.training.checkpoints import Checkpoints, load_arrays, restore_common
from bert_jax.training.convoy import AgreedStop, Convoy
from bert_jax.training.loop import Loop, Stopwatch
from bert_jax.training.optimizer import skippable
from bert_jax.training.progress import OneOfSeveral, Progress
from bert_jax.training.records import Records
from bert_jax.training.signals import Stopped, StopRequest
from bert_jax.training.skipping import SpikeGuard
from bert_jax.training.stage import Evaluation, Intervals, Stage
from bert_jax.training.state import TrainState
from bert_jax.training.step import make_train_step
from bert_jax.training.watchdog import Watchdog
from bert_jax.training.window import Window

RUNS, STEPS = 3, 12
ENOUGH, WRONG = 1, 2  # a run that has seen enough at step 6, one that is not finite from 8 on


def loss(params, batch, weights, key):
    value = jnp.sum(batch * params["w"])
    return value, {"loss": Ratio(value, jnp.ones(()))}


OBJECTIVE = Objective(lambda batch, key: batch, lambda batch: {}, loss)
OPTIMIZER = skippable(optax.adam(0.01))
STEP = jax.jit(make_train_step(OBJECTIVE, OPTIMIZER), donate_argnums=0)


def batch(run, step):
    drawn = np.random.default_rng((run, step)).uniform(0.2, 2.0, 3).astype(np.float32)
    return drawn * (np.nan if run == WRONG and step >= 8 else 1)


def initial_state(run):
    params = {"w": jnp.arange(1.0, 4.0) + run}
    moments = OPTIMIZER.init(params)
    return TrainState(jnp.zeros((), jnp.int32), params, moments, jax.random.key(run))


LIKE = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(
        x.shape, x.dtype, sharding=jax.sharding.SingleDeviceSharding(jax.devices()[0])
    ),
    initial_state(0),
)
LIES = jax.tree.map(lambda leaf: leaf.sharding, LIKE)


def stage(run):
    seen = []
    evaluation = Evaluation(
        metrics=lambda params: {"loss": 0.0},
        samples=lambda params: [],
        follow=lambda step, params, values: seen.append(step) or [],
        enough=lambda: run == ENOUGH and 6 in seen,
    )
    return Stage(
        start=0,
        end=STEPS,
        train_step=STEP,
        batch=lambda step: batch(run, step),
        rows=lambda step: np.array([step]),
        shardings=LIES,
        sequences=1,
        tokens=1,
        flops=1.0,
        evaluation=evaluation,
    )


def loop(folder, run, step, stop, progress, checkpoints, **shared):
    return Loop(
        [stage(run)],
        rates=np.ones(STEPS, np.float32),
        intervals=Intervals(log=2, evaluate=3, checkpoint=4, skipped_limit=2),
        guard=SpikeGuard(0.0, window=8),
        checkpoints=checkpoints,
        records=Records(folder / str(run), step),
        progress=progress,
        stop=stop,
        loss_terms=("loss",),
        peak_flops=None,
        **{"watchdog": Watchdog(0), **shared},
    )


def together(folder, runs, stop_at=None):
    """Run, or continue, a convoy; return what ended, in order."""
    checkpoints = [Checkpoints(folder / str(run) / "training", keep=2) for run in runs]
    found = restore_common(checkpoints, LIKE) or [(initial_state(run), {}) for run in runs]
    start, stop, over = int(found[0][0].step), StopRequest(), []
    agreed, progress = AgreedStop(stop), Progress(start, STEPS)

    def batches(step):
        return [batch(run, step) for run in runs]

    class Signalled(OneOfSeveral):
        """A signal comes when the runs before this one have done what they had to at the step."""

        step = start

        def advance(self):
            self.step += 1
            if self.step == stop_at and self._name == f"run {runs[-1]}":
                stop.number = signal.SIGTERM

    loops = [
        loop(
            *(folder, run, start, agreed, Signalled(progress, f"run {run}", leads=run == 0)),
            saved,
            stopwatch=Stopwatch(),
        )
        for run, saved in zip(runs, checkpoints, strict=True)
    ]

    def ended(places):
        # All others have done by then what there was to do at the step.
        written = [metrics(folder / str(run))[-1]["step"] for run in runs]
        over.append(({runs[place]: error for place, error in places.items()}, written))

    convoy = Convoy(loops, SideBySide(STEP, jax.device_put), batches, ended, agreed, progress)
    try:
        convoy.run(start, [s for s, _ in found], [Window(**w) for _, w in found])
    finally:
        for one in loops:
            one.records.close()
    return over


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def outcome(folder):
    timed = ("sequences_per_second", "tokens_per_second", "model_flops_per_second")
    arrays = {path: x.tobytes() for path, x in load_arrays(folder / "training").items()}
    newest = Checkpoints(folder / "training", keep=1).steps()[-1]
    return newest, arrays, [{k: v for k, v in x.items() if k not in timed} for x in metrics(folder)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Each run by its own loop."""
    folder = tmp_path_factory.mktemp("alone")
    for run in range(RUNS):
        checkpoints = Checkpoints(folder / str(run) / "training", keep=1)
        one = loop(folder, run, 0, StopRequest(), Progress(0, STEPS), checkpoints)
        try:
            one.run(initial_state(run), Window())
        except NumericsError:
            assert run == WRONG
        finally:
            one.records.close()
    return [outcome(folder / str(run)) for run in range(RUNS)]


def test_each_run_ends_as_it_does_alone_and_when(tmp_path, alone):
    over = together(tmp_path, [0, 1, 2])
    assert [outcome(tmp_path / str(run)) for run in range(RUNS)] == alone
    ended = [list(places) for places, _ in over]
    assert ended == [[ENOUGH], [WRONG], [0]]
    assert over[0][0][ENOUGH] is None and "2 steps in a row" in str(over[1][0][WRONG])
    assert over[0][1] == [6, 6, 6]
    assert [alone[run][0] for run in range(RUNS)] == [12, 6, 8]


def test_a_signal_stops_all_after_the_same_step_and_they_go_on_from_there(tmp_path, alone, capsys):
    with pytest.raises(Stopped, match="stopped by SIGTERM at step 5, saved"):
        together(tmp_path, [0, 1], stop_at=4)
    saved = [Checkpoints(tmp_path / str(run) / "training", 2).steps() for run in (0, 1)]
    assert saved == [[4, 5], [4, 5]]
    together(tmp_path, [0, 1])
    assert [outcome(tmp_path / str(run)) for run in (0, 1)] == alone[:2]
    said = capsys.readouterr().out
    # Of training the first run's lines alone are shown, of evaluations all.
    assert "step 2/12  run 0  train" in said and "run 1  train" not in said
    assert "step 6/12  run 1  validation" in said


def test_one_that_has_ended_is_not_trained_further(tmp_path):
    together(tmp_path, [ENOUGH])
    assert Checkpoints(tmp_path / str(ENOUGH) / "training", 2).steps() == [4, 6]


def test_a_run_looks_after_its_memory_between_steps(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(KeptMemory, "look", lambda memory: looks.append(memory))
    together(tmp_path, range(2))
    assert len(looks) >= STEPS - 1 and len(set(looks)) == 1
