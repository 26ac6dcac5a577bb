"""The loop where steps are skipped: what it tells, and that a stop in between changes nothing."""

import dataclasses
import json
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bert_jax.errors import CheckpointError, ConfigError, NumericsError
from bert_jax.heap import KeptMemory
from bert_jax.objectives.objective import Objective, Ratio
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.loop import Loop
from bert_jax.training.optimizer import skippable
from bert_jax.training.progress import Progress
from bert_jax.training.records import Records
from bert_jax.training.signals import Stopped, StopRequest
from bert_jax.training.skipping import SpikeGuard
from bert_jax.training.stage import Intervals, Stage
from bert_jax.training.state import TrainState, flatten
from bert_jax.training.step import make_train_step
from bert_jax.training.watchdog import Watchdog
from bert_jax.training.window import Window

ROWS, STEPS = 4, 40
SPIKES, NOT_FINITE = {20: 30.0, 27: 8.0, 28: 1e6}, (24,)
TIMED = ("sequences_per_second", "tokens_per_second", "model_flops_per_second")


def loss(params, examples, weights, key):
    del key
    value = jnp.sum(examples * params["w"]) + 0 * jnp.sum(params["unused"])
    return value / weights["loss"], {"loss": Ratio(value, weights["loss"])}


OBJECTIVE = Objective(
    examples=lambda batch, key: batch,
    weights=lambda examples: {"loss": jnp.asarray(examples.shape[0], jnp.float32)},
    loss=loss,
)
OPTIMIZER = skippable(optax.adam(0.01))
STEP = jax.jit(make_train_step(OBJECTIVE, OPTIMIZER), donate_argnums=0)


def make_rows(numbers):
    """Rows by their numbers; a batch of them has a gradient of 1.2 to 2.6."""
    drawn = np.random.default_rng(0).uniform(0.2, 2.0, (STEPS * ROWS, 3))
    return drawn[numbers].astype(np.float32)


def batch(step):
    rows = make_rows(np.arange(step * ROWS, (step + 1) * ROWS)) * SPIKES.get(step, 1.0)
    return np.where(np.arange(3) == 1, np.nan, rows) if step in NOT_FINITE else rows


def initial_state():
    params = {"unused": jnp.ones(2), "w": jnp.arange(1.0, 4.0)}
    return TrainState(jnp.zeros((), jnp.int32), params, OPTIMIZER.init(params), jax.random.key(0))


LIKE = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(
        x.shape, x.dtype, sharding=jax.sharding.SingleDeviceSharding(jax.devices()[0])
    ),
    initial_state(),
)
LIES = jax.tree.map(lambda leaf: leaf.sharding, LIKE)


def run(
    folder, *, stop_at=None, factor=8.0, in_a_row=5, log=4, ends=(STEPS,), make=batch, lies=LIES
):
    """Run, or continue, in a folder; stop after a step, or go on to the end."""
    checkpoints = Checkpoints(folder / "checkpoints", keep=1)
    state, window = checkpoints.restore(LIKE) or (initial_state(), {})
    stop = StopRequest()

    def step(state, *args):
        if stop_at is not None and int(state.step) == stop_at:
            stop.number = signal.SIGTERM
        return STEP(state, *args)

    stages = [
        Stage(
            start=start,
            end=end,
            train_step=step,
            batch=make,
            rows=lambda step: np.arange(step * ROWS, (step + 1) * ROWS),
            shardings=lies,
            sequences=ROWS,
            tokens=ROWS,
            flops=1.0,
            evaluation=None,
        )
        for start, end in zip((0, *ends), ends, strict=False)
    ]
    records = Records(folder, int(state.step))
    loop = Loop(
        stages,
        rates=np.ones(ends[-1], np.float32),
        intervals=Intervals(log=log, evaluate=1000, checkpoint=1000, skipped_limit=in_a_row),
        guard=SpikeGuard(factor, window=8),
        checkpoints=checkpoints,
        records=records,
        progress=Progress(int(state.step), ends[-1]),
        stop=stop,
        watchdog=Watchdog(0),
        loss_terms=("loss",),
        peak_flops=None,
    )
    try:
        loop.run(state, Window.kept(window))
    except Stopped:
        assert stop_at is not None
    finally:
        records.close()
    return folder


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def outcome(folder):
    state, window = Checkpoints(folder / "checkpoints", keep=1).restore(LIKE)
    state = dataclasses.replace(state, key=jax.random.key_data(state.key))
    metrics = lines(folder / "metrics.jsonl")
    return {
        "arrays": {path: np.asarray(leaf).tobytes() for path, leaf in flatten(state).items()},
        "window": window,
        "metrics": [{k: v for k, v in line.items() if k not in TIMED} for line in metrics],
        "skipped": lines(folder / "skipped.jsonl"),
    }


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    return outcome(run(tmp_path_factory.mktemp("straight")))


def test_spikes_and_what_is_not_finite_are_skipped_and_told(straight):
    told = {line["step"]: line for line in straight["skipped"]}
    assert list(told) == [21, 25, 28, 29]  # the number of a step is how many there are with it
    assert [line["reason"] for line in told.values()] == ["spike", "not finite", "spike", "spike"]
    assert told[25]["grad_norms"] == {"unused": 0.0, "w": "nan"}
    assert told[25]["loss"] == told[25]["grad_norm"] == "nan"
    for step in (21, 28, 29):
        limit, norm = told[step]["limit"], told[step]["grad_norm"]
        assert 2.6 < limit < 6.0 < norm == pytest.approx(told[step]["grad_norms"]["w"])
        assert np.isfinite(told[step]["loss"])


def test_the_rows_of_a_skipped_step_are_those_of_its_batch(straight):
    step = straight["skipped"][0]
    rows = make_rows(np.array(step["rows"]))
    np.testing.assert_array_equal(rows * SPIKES[20], batch(step["step"] - 1))


def test_metrics_are_those_of_the_steps_that_were_taken(straight):
    assert json.dumps(straight["metrics"], allow_nan=False)
    shares = {line["step"]: line["skipped"] for line in straight["metrics"] if line["skipped"]}
    assert shares == {24: 0.25, 28: 0.5, 32: 0.25}
    assert all(1.2 < line["grad_norm"] < 2.6 for line in straight["metrics"])


@pytest.mark.parametrize("step", [7, 9, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 36])
def test_a_run_stopped_at_any_step_ends_like_one_that_never_was(tmp_path, straight, step):
    assert outcome(run(run(tmp_path, stop_at=step))) == straight


def test_a_run_that_forgets_its_norms_is_noticed(tmp_path, straight, monkeypatch):
    """The negative control of the test above."""
    run(tmp_path, stop_at=18)
    whole = Checkpoints.restore

    def restore(self, like):
        state, window = whole(self, like)
        return state, window | {"norms": []}

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "restore", restore)
        run(tmp_path)
    assert outcome(tmp_path)["skipped"] != straight["skipped"]


def test_how_often_it_logs_decides_nothing(tmp_path, straight):
    ended = outcome(run(tmp_path, log=1))
    assert ended["arrays"] == straight["arrays"]
    assert ended["skipped"] == straight["skipped"]


def test_without_a_guard_only_what_is_not_finite_is_skipped(tmp_path):
    ended = outcome(run(tmp_path, factor=0.0))
    assert [line["step"] for line in ended["skipped"]] == [25]
    assert ended["skipped"][0]["limit"] == "inf"
    assert ended["window"]["norms"] == []


def test_too_many_in_a_row_end_the_run_and_all_are_told(tmp_path):
    def bad(step):
        return batch(step) * (np.nan if step >= 30 else 1.0)

    with pytest.raises(NumericsError, match="3 steps in a row were skipped.*skipped.jsonl"):
        run(tmp_path, factor=0.0, in_a_row=3, make=bad)
    assert [line["step"] for line in lines(tmp_path / "skipped.jsonl")] == [25, 31, 32, 33]


def test_the_last_step_of_a_phase_is_counted_wherever_the_phase_ends(tmp_path):
    # The spike of step 20 is in the last of a phase; those that follow come before the second
    # phase knows eight norms of its own.
    ended = outcome(run(tmp_path, log=STEPS, ends=(21, STEPS)))
    assert [line["step"] for line in ended["skipped"]] == [21, 25]
    (line,) = ended["metrics"]
    assert line["skipped"] * STEPS == pytest.approx(2)


def test_a_state_that_a_step_leaves_elsewhere_ends_the_run(tmp_path):
    elsewhere = jax.sharding.SingleDeviceSharding(jax.devices()[1])
    lies = dataclasses.replace(LIES, params={"unused": elsewhere, "w": LIES.params["w"]})
    with pytest.raises(ConfigError, match=r"^config\.rules: params/unused was to lie as"):
        run(tmp_path, lies=lies)
    assert Checkpoints(tmp_path / "checkpoints", keep=1).steps() == []


def test_what_another_version_kept_of_its_steps_is_refused():
    assert Window.kept({"skipped_in_a_row": 3}) == Window(skipped_in_a_row=3)
    with pytest.raises(CheckpointError, match="keeps moods of the steps before it"):
        Window.kept({"sums": {}, "moods": []})


def test_a_run_looks_after_its_memory_between_steps(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(KeptMemory, "look", lambda memory: looks.append(memory))
    run(tmp_path)
    assert len(looks) >= STEPS - 1 and len(set(looks)) == 1
