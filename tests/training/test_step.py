"""One training step: parts of a batch, devices, numbers that are not finite."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bert_jax.data.batches import Batch
from bert_jax.model import BertConfig, BertForPretraining, Execution
from bert_jax.objectives.masking import Masking, Vocabulary
from bert_jax.objectives.objective import Objective, Ratio
from bert_jax.objectives.pretraining import pretraining_objective
from bert_jax.training.optimizer import skippable
from bert_jax.training.state import TrainState, flatten, select
from bert_jax.training.step import make_eval_step, make_train_step

DESCENT = skippable(optax.sgd(1.0))
ADAM = skippable(optax.adam(0.1))
MODEL = BertConfig(
    60, 32, 1, 4, 64, max_position_embeddings=32, initializer_range=0.1,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
MODULE = BertForPretraining(MODEL, Execution())
OBJECTIVE = pretraining_objective(
    MODULE.apply, Masking(0.15, 4, 0.8, 0.1), Vocabulary(60, 4, (0, 2, 3)), with_nsp=True
)


@pytest.fixture(scope="module")
def batch():
    """Rows of 6 to 32 tokens, so that they have 1 to 4 predictions."""
    rng = np.random.default_rng(0)
    lengths = np.array([6, 9, 12, 20, 26, 32, 32, 7])
    ids = rng.integers(5, 60, (8, 32)).astype(np.int32)
    place = np.arange(32)
    ids[:, 0] = 2
    ids[np.arange(8), lengths - 1] = 3
    seen = (place < lengths[:, None]).astype(np.int32)
    types = ((place > lengths[:, None] // 2) & (seen > 0)).astype(np.int32)
    return Batch(ids * seen, types, seen, rng.integers(0, 2, 8).astype(np.int32))


@pytest.fixture(scope="module")
def params(batch):
    ids = batch.input_ids[:1]
    return jax.jit(MODULE.init)(jax.random.key(0), ids, ids, ids, ids)["params"]


def make_state(params, optimizer, seed=1, moves=lambda path: True):
    moments = optimizer.init(select(params, moves))
    return TrainState(jnp.zeros((), jnp.int32), params, moments, jax.random.key(seed))


def jitted(objective, optimizer, donate_argnums=(), largest=np.inf, **options):
    """The compiled step of an optimizer that has a rate of its own: state and metrics alone."""
    step = make_train_step(objective, optimizer, **options)
    return jax.jit(
        lambda state, batch: step(state, batch, 1.0, largest)[:2], donate_argnums=donate_argnums
    )


@pytest.fixture(scope="module")
def descend():
    """A step of gradient descent at rate 1: the parameters less the gradient."""
    return jitted(OBJECTIVE, DESCENT)


@pytest.fixture(scope="module")
def whole_step(descend, params, batch):
    return descend(make_state(params, DESCENT), batch)


def assert_close(one, other, tolerance):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_a_batch_in_parts_gives_the_gradient_of_the_whole(params, batch, whole_step):
    optimizer = DESCENT
    step = jitted(OBJECTIVE, optimizer, accumulation=4)
    state, metrics = step(make_state(params, optimizer), batch)
    assert_close(state.params, whole_step[0].params, 1e-6)
    for name, ratio in metrics.items():
        assert_close(ratio, whole_step[1][name], 1e-5)
    # The rows chosen and what was hidden in them are counted alike, not just nearly.
    assert metrics["mlm_loss"].denominator == whole_step[1]["mlm_loss"].denominator


def test_the_mean_of_the_parts_means_would_not_pass_for_the_gradient_of_the_whole(params, batch):
    """The rows differ enough in their predictions for the test above to notice."""
    examples = jax.jit(OBJECTIVE.examples)(batch, jax.random.key(0))
    counts = np.asarray(examples.masked.weights).sum(axis=1)
    assert len({counts[part::4].sum() for part in range(4)}) > 1


def test_the_gradient_moves_parameters_visibly(params, whole_step):
    moved = [
        float(jnp.abs(a - b).max())
        for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(whole_step[0].params), strict=True)
    ]
    assert np.median(moved) > 1e-3


def test_metrics_are_sums_over_what_was_predicted(batch, whole_step):
    metrics = whole_step[1]
    # Lengths 6, 9, 12, 20, 26, 32, 32, 7 at 15%, of at most 4 and at least 1.
    assert metrics["mlm_loss"].denominator == 1 + 1 + 2 + 3 + 4 + 4 + 4 + 1
    assert metrics["nsp_loss"].denominator == 8
    assert metrics["skipped"].numerator == 0


def test_the_next_step_draws_other_masks(descend, params, batch, whole_step):
    state = dataclasses.replace(make_state(params, DESCENT), step=jnp.ones((), jnp.int32))
    first, second = whole_step[1], descend(state, batch)[1]
    assert first["mlm_loss"].numerator != second["mlm_loss"].numerator
    assert first["nsp_loss"].denominator == second["nsp_loss"].denominator


def test_an_evaluation_depends_on_its_key_alone(params, batch):
    dropping = BertForPretraining(dataclasses.replace(MODEL, hidden_dropout_prob=0.5), Execution())
    objective = pretraining_objective(
        dropping.apply, Masking(0.15, 4, 0.8, 0.1), Vocabulary(60, 4, (0, 2, 3)), with_nsp=True
    )
    with_dropout = jax.jit(make_eval_step(objective))(params, batch, jax.random.key(3))
    without = jax.jit(make_eval_step(OBJECTIVE))(params, batch, jax.random.key(3))
    assert_close(with_dropout, without, 1e-5)


def line_loss(params, examples, weights, key):
    value = jnp.sum(examples * params["w"])
    return value / weights["loss"], {"loss": Ratio(value, weights["loss"])}


LINE = Objective(  # a number a column, whose gradient is the mean of the batch
    examples=lambda batch, key: batch,
    weights=lambda examples: {"loss": jnp.asarray(examples.shape[0], jnp.float32)},
    loss=line_loss,
)


@pytest.fixture(scope="module")
def line():
    """A step of it, and the state after a good one."""
    optimizer = ADAM
    state = make_state({"w": jnp.arange(1.0, 4.0), "unused": jnp.ones(2)}, optimizer)
    step = jitted(LINE, optimizer)
    return step, step(state, jnp.ones((4, 3)))[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38])
def test_a_gradient_that_is_not_finite_changes_nothing_but_the_step(line, value):
    step, state = line
    after, metrics = step(state, jnp.ones((4, 3)).at[2, 1].set(value))
    assert metrics["skipped"].numerator == 1
    assert int(after.step) == int(state.step) + 1
    assert_close((after.params, after.opt_state), (state.params, state.opt_state), 0)
    assert jnp.array_equal(jax.random.key_data(after.key), jax.random.key_data(state.key))


def test_a_good_step_after_a_skipped_one_goes_on_as_if_nothing_had_been(line):
    step, state = line
    skipped, _ = step(state, jnp.full((4, 3), jnp.nan))
    after, metrics = step(skipped, jnp.ones((4, 3)))
    straight, _ = step(state, jnp.ones((4, 3)))
    assert metrics["skipped"].numerator == 0
    assert_close((after.params, after.opt_state), (straight.params, straight.opt_state), 0)
    assert float(after.params["w"][0]) != float(state.params["w"][0])


@pytest.mark.parametrize(("above", "skipped"), [(0, 0), (1, 1)])
def test_a_gradient_of_the_largest_norm_is_followed_and_one_above_it_is_not(line, above, skipped):
    _, state = line
    step = jax.jit(make_train_step(LINE, ADAM))
    norm = step(state, jnp.ones((4, 3)), 1.0, np.inf)[1]["grad_norm"].numerator
    assert norm == pytest.approx(3**0.5)  # of [1, 1, 1]
    largest = np.nextafter(norm, np.float32(0)) if above else norm
    after, metrics, _ = step(state, jnp.ones((4, 3)), 1.0, largest)
    assert (metrics["skipped"].numerator, metrics["grad_norm"].numerator) == (skipped, norm)
    assert int(after.step) == int(state.step) + 1
    same = jnp.array_equal(after.params["w"], state.params["w"])
    assert bool(same) is bool(skipped)


def test_the_norm_of_each_parameter_s_gradient_is_told_in_their_order(line):
    _, state = line
    batch = jnp.array([[3.0, np.nan, 0.0], [3.0, 0.0, 8.0]])
    for rows, wanted in ((batch, np.nan), (batch.at[0, 1].set(0), 5.0)):
        _, _, norms = make_train_step(LINE, ADAM)(state, rows, 1.0, np.inf)
        told = dict(zip(flatten(state.params), norms.tolist(), strict=True))
        assert told == pytest.approx({"unused": 0.0, "w": wanted}, nan_ok=True)


def test_the_norms_of_parameters_make_up_that_of_all_and_are_0_for_what_is_frozen(params, batch):
    optimizer = DESCENT
    step = jax.jit(make_train_step(OBJECTIVE, optimizer, moves=in_the_head))
    state = make_state(params, optimizer, moves=in_the_head)
    after, metrics, norms = step(state, batch, 1.0, np.inf)
    moved = jax.tree.map(lambda a, b: jnp.linalg.norm(a - b), state.params, after.params)
    for (path, wanted), norm in zip(flatten(moved).items(), norms.tolist(), strict=True):
        assert norm == pytest.approx(float(wanted), rel=1e-3, abs=1e-6), path
        assert (norm > 0) is in_the_head(path), path
    assert metrics["grad_norm"].numerator == pytest.approx(float(jnp.linalg.norm(norms)), rel=1e-5)


def test_one_batch_is_learnt_by_heart(params, batch):
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), skippable(optax.adam(5e-3)))
    step = jitted(OBJECTIVE, optimizer, donate_argnums=0)
    state = make_state(jax.tree.map(jnp.copy, params), optimizer)
    first = state.params["next_sentence"]["dense"]["kernel"]
    losses = {"mlm_loss": [], "nsp_loss": []}
    for _ in range(120):
        state, metrics = step(state, batch)
        for name, seen in losses.items():
            seen.append(float(metrics[name].numerator / metrics[name].denominator))
    assert first.is_deleted()  # the old state was given away, not copied
    for seen in losses.values():
        assert np.mean(seen[-10:]) < 0.35 * np.mean(seen[:3]), (seen[:3], seen[-10:])


def in_the_head(path):
    return path.startswith(("bert/pooler/", "next_sentence/"))


@pytest.fixture(scope="module")
def head_step(params, batch):
    """Two steps of Adam and one of descent that move the head alone."""
    optimizer = skippable(optax.adam(1e-2))
    state = make_state(params, optimizer, moves=in_the_head)
    step = jitted(OBJECTIVE, optimizer, moves=in_the_head)
    for _ in range(2):
        state, _ = step(state, batch)
    descend = jitted(OBJECTIVE, DESCENT, moves=in_the_head)
    return state, descend(make_state(params, DESCENT, moves=in_the_head), batch)


def test_what_is_frozen_stays_bit_for_bit_and_the_rest_moves(params, head_step):
    before, after = flatten(params), flatten(head_step[0].params)
    assert before.keys() == after.keys()
    for path, array in after.items():
        same = np.asarray(array).tobytes() == np.asarray(before[path]).tobytes()
        assert same is not in_the_head(path), path


def test_what_is_frozen_has_no_moments(params, head_step):
    adam = head_step[0].opt_state[0]
    moving = {path for path in flatten(params) if in_the_head(path)}
    assert len(moving) == 4
    assert flatten(adam.mu).keys() == flatten(adam.nu).keys() == moving


def test_what_moves_has_the_gradient_it_has_when_all_moves(params, head_step, whole_step):
    state, metrics = head_step[1]
    moved, whole = flatten(state.params), flatten(whole_step[0].params)
    squares = 0.0
    for path, start in flatten(params).items():
        if in_the_head(path):
            np.testing.assert_allclose(moved[path], whole[path], rtol=0, atol=1e-7)
            squares += float(jnp.sum((whole[path] - start) ** 2))
    assert metrics["grad_norm"].numerator == pytest.approx(squares**0.5, rel=1e-4)


def test_what_is_frozen_has_no_backward_pass(params, batch):
    def operations(moves):
        state = make_state(params, DESCENT, moves=moves)
        step = jitted(OBJECTIVE, DESCENT, moves=moves)
        return step.lower(state, batch).cost_analysis()["flops"]

    assert operations(in_the_head) < 0.5 * operations(lambda path: True)
