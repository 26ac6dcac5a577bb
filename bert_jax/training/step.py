"""One training step, and one evaluation step, for any objective."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from bert_jax.objectives.objective import Metrics, Objective, Ratio
from bert_jax.objectives.parts import sum_over_parts
from bert_jax.training.state import TrainState, flatten, replaced, select

# (state, batch, learning rate, largest norm) -> (state, metrics, norm of each parameter's gradient)
TrainStep = Callable[
    [TrainState, Any, ArrayLike, ArrayLike], tuple[TrainState, Metrics, Float[Array, " parameters"]]
]
EvalStep = Callable[[Any, Any, Array], Metrics]


def make_train_step(
    objective: Objective,
    optimizer: optax.GradientTransformationExtraArgs,
    *,
    accumulation: int = 1,
    repeat_after: int = 0,
    moves: Callable[[str], bool] = lambda path: True,
) -> TrainStep:
    """Build a `TrainStep`, a pure function to be jitted.

    Args:
        objective: what is trained.
        optimizer: it heeds `taken`, as those of `make_optimizer` do and any other if it is made
            `skippable`. Its state covers the parameters that move, and those alone.
        accumulation: parts that a batch is computed in.
        repeat_after: steps after which examples are drawn as before; 0: anew in every step.
        moves: tells by its path whether a parameter is trained. For the others no gradient is
            computed, so what lies below the lowest one that moves has no backward pass.

    Masks are drawn for the whole batch from (key, step); the batch is then cut into
    `accumulation` parts whose gradients are added, each weighted by the whole batch's
    denominators, so the update is that of the whole batch whatever the number of parts.
    A step whose gradients are not finite, or have a global norm above the largest it is given,
    changes nothing but the step number, and says so in `skipped`. The norms beside the metrics are
    in the order of `flatten(state.params)`, 0 for what does not move.
    """

    def train_step(
        state: TrainState, batch: Any, rate: ArrayLike, largest: ArrayLike
    ) -> tuple[TrainState, Metrics, Array]:
        key = jax.random.fold_in(state.key, state.step)
        examples_key, dropout_key = jax.random.split(key)
        if repeat_after:
            key = jax.random.fold_in(state.key, state.step % repeat_after)
            examples_key, _ = jax.random.split(key)
        examples = objective.examples(batch, examples_key)
        weights = objective.weights(examples)
        moving = select(state.params, moves)

        def loss(moving: Any, *args: Any) -> tuple[Array, Metrics]:
            return objective.loss(replaced(state.params, moving), *args)

        gradient = jax.grad(loss, has_aux=True)
        if accumulation == 1:
            gradients, metrics = gradient(moving, examples, weights, dropout_key)
        else:

            def compute(part: Any, i: Array) -> tuple[Any, None]:
                key = jax.random.fold_in(dropout_key, i)
                return gradient(moving, part, weights, key), None

            (gradients, metrics), _ = sum_over_parts(compute, examples, accumulation)
        # The sums of squares are computed once: XLA merges those of the one norm, of each, and of
        # the clipping.
        norm = optax.tree.norm(gradients)
        squares = {
            path: optax.tree.norm(gradient, squared=True)
            for path, gradient in flatten(gradients).items()
        }
        zero = jnp.zeros(())
        taken = jnp.isfinite(norm) & (norm <= largest)
        updates, opt_state = optimizer.update(
            gradients, state.opt_state, moving, rate=rate, taken=taken
        )
        moved: Any = optax.apply_updates(moving, updates)
        one = jnp.ones(())
        metrics |= {"grad_norm": Ratio(norm, one), "skipped": Ratio(1.0 - taken, one)}
        after = TrainState(
            step=state.step + 1,
            params=replaced(state.params, moved),
            opt_state=opt_state,
            key=state.key,
        )
        norms = jnp.sqrt(jnp.stack([squares.get(path, zero) for path in flatten(state.params)]))
        return after, metrics, norms

    return train_step


def make_eval_step(objective: Objective) -> EvalStep:
    """Build (params, batch, key) -> metrics: no dropout, masks from the key alone."""

    def eval_step(params: Any, batch: Any, key: Key[Array, ""]) -> Metrics:
        examples = objective.examples(batch, key)
        _, metrics = objective.loss(params, examples, objective.weights(examples), None)
        return metrics

    return eval_step
