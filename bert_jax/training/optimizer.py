"""Optimizers of BERT, and which parameters they decay."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from bert_jax.training.schedules import SHAPES
from bert_jax.training.state import path_of

OPTIMIZERS = ("bert_adamw", "adamw", "lamb")
MOMENT_DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True)
class OptimizerConfig:
    """An optimizer and its schedule.

    Attributes:
        name: "bert_adamw" (Google's: no bias correction), "adamw", or "lamb".
        learning_rate: at the end of warm-up.
        warmup_steps: steps of linear warm-up.
        schedule: "linear", "linear_after_warmup", "cosine" or "constant".
        end_learning_rate: at the last step.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        epsilon: added to the root of the second moment.
        weight_decay: times the parameter, added to the update before the learning rate.
        no_decay: regular expressions searched in parameter paths; what matches is not decayed.
        clip_norm: gradients are scaled down to this global norm; 0 leaves them.
        mu_dtype: what the first moment is kept in between steps, "float32" or "bfloat16". The
            second is always float32: at a beta2 of 0.999 it moves by a thousandth at most where it
            falls, and bfloat16, whose numbers are 1/256 to 1/128 apart, would round it back.

    Raises:
        ValueError: a value is out of range.
    """

    name: str
    learning_rate: float
    warmup_steps: int
    schedule: str
    end_learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    no_decay: tuple[str, ...]
    clip_norm: float
    mu_dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.name not in OPTIMIZERS:
            raise ValueError(f"name={self.name!r} must be one of {', '.join(OPTIMIZERS)}")
        if self.schedule not in SHAPES:
            raise ValueError(f"schedule={self.schedule!r} must be one of {', '.join(SHAPES)}")
        if self.mu_dtype not in MOMENT_DTYPES:
            raise ValueError(
                f"mu_dtype={self.mu_dtype!r} must be one of {', '.join(MOMENT_DTYPES)}"
            )
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate={self.learning_rate} must be positive")
        for name in ("warmup_steps", "end_learning_rate", "weight_decay", "clip_norm", "epsilon"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be in [0, 1)")


def make_optimizer(
    config: OptimizerConfig, multiple: Callable[[str], float] = lambda path: 1.0
) -> optax.GradientTransformationExtraArgs:
    """Chain clipping, moments, decay and the learning rate, in BERT's order.

    The learning rate is an argument of every update (`rate=`), not part of what is compiled: runs
    that differ in their rates or schedules share one compiled step. So is whether the step is
    taken at all (`taken=`, by default it is): where not, the update is zero and the state stays. A
    part of optax's that has a state is made to heed it by `skippable`.

    Args:
        config: what to chain; its schedule is not used here.
        multiple: of the learning rate, for each parameter by its path.
    """

    def decayed(params: Any) -> Any:
        return decay_mask(params, config.no_decay)

    parts = [clip_by_global_norm(config.clip_norm)] if config.clip_norm > 0 else []
    corrected = config.name != "bert_adamw"
    parts.append(
        scale_by_adam(
            config.beta1,
            config.beta2,
            config.epsilon,
            corrected=corrected,
            mu_dtype=config.mu_dtype,
        )
    )
    parts.append(optax.add_decayed_weights(config.weight_decay, mask=decayed))
    if config.name == "lamb":  # You et al. 2019; biases and LayerNorm keep the plain update, and so
        # does what is all zeros: a ratio of zero would hold it there
        parts.append(optax.masked(optax.scale_by_trust_ratio(), decayed))
    return optax.chain(*parts, _scale_by_rate(multiple))


def clip_by_global_norm(limit: float) -> optax.GradientTransformation:
    """Scale gradients down to a global norm, by one factor for all.

    optax divides each, and XLA on a CPU writes every quotient to memory before it is used.
    """

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        del params
        factor = limit / jnp.maximum(optax.tree.norm(updates), limit)
        return jax.tree.map(lambda gradient: factor * gradient, updates), state

    return optax.GradientTransformation(optax.init_empty_state, update)


def scale_by_adam(
    beta1: float, beta2: float, epsilon: float, *, corrected: bool, mu_dtype: str = "float32"
) -> optax.GradientTransformationExtraArgs:
    """Scale by Adam's moments (Kingma & Ba 2014), corrected for their start at zero or not.

    Google's `optimization.py` does not correct, for which optax has no switch; and optax's
    correction is wrong by 1e-5 at first, since 1 - 0.999 loses digits in float32. Both moments are
    computed in float32, and the first is rounded to `mu_dtype` where it is kept.

    Of a step that is not taken the moments stay as they were. They are chosen before anything is
    made of them: what is made of the very arrays that the state gets reads them, where XLA on a
    CPU would else compute them a second time, from copies of the old ones.
    """

    def kept(moment: Any) -> Any:
        if mu_dtype == "float32":  # as it was computed
            return moment
        return jax.tree.map(lambda leaf: leaf.astype(mu_dtype), moment)

    def init(params: optax.Params) -> optax.ScaleByAdamState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        count = jnp.zeros((), jnp.int32)
        return optax.ScaleByAdamState(count, kept(zeros), jax.tree.map(jnp.zeros_like, params))

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        *,
        taken: jax.typing.ArrayLike = True,
        **given: Any,
    ) -> tuple[optax.Updates, optax.ScaleByAdamState]:
        del params, given
        assert isinstance(state, optax.ScaleByAdamState)
        count = _chosen(taken, optax.safe_increment(state.count), state.count)
        before = jax.tree.map(lambda m, g: m.astype(g.dtype), state.mu, updates)
        mu = _chosen(taken, optax.tree.update_moment(updates, before, beta1, 1), before)
        squares = optax.tree.update_moment_per_elem_norm(updates, state.nu, beta2, 2)
        nu = _chosen(taken, squares, state.nu)
        first, second = (_share(beta1, count), _share(beta2, count)) if corrected else (1.0, 1.0)
        scaled = jax.tree.map(lambda m, v: m / first / (jnp.sqrt(v / second) + epsilon), mu, nu)
        return scaled, optax.ScaleByAdamState(count, kept(mu), nu)

    return optax.GradientTransformationExtraArgs(init, update)


def skippable(part: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """Have any part of optax's heed `taken`: if not, no update, and the state as it was.

    `optax.conditionally_mask` would count the steps that are left out in its state.
    """
    part = optax.with_extra_args_support(part)

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        *,
        taken: jax.typing.ArrayLike = True,
        **given: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        changed, after = part.update(updates, state, params, **given)
        return _chosen(taken, changed, optax.tree.zeros_like(changed)), _chosen(taken, after, state)

    return optax.GradientTransformationExtraArgs(part.init, update)


def _chosen(taken: jax.typing.ArrayLike, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda new, old: jnp.where(taken, new, old), new, old)


def _share(beta: float, count: jax.typing.ArrayLike) -> jax.Array:
    """Compute 1 - beta^count, how much of a moment the gradients seen so far make up."""
    return -jnp.expm1(count * (math.log(beta) if beta else -math.inf))


def _scale_by_rate(multiple: Callable[[str], float]) -> optax.GradientTransformationExtraArgs:
    """Multiply by the rate given with each update, downhill, and by each parameter's own factor."""

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        *,
        taken: jax.typing.ArrayLike = True,
        **given: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        del params

        def scaled(path: tuple[Any, ...], update: jax.Array) -> jax.Array:
            # Chosen last: before its first step Adam corrects by 0 / 0.
            return jnp.where(taken, -given["rate"] * multiple(path_of(path)) * update, 0.0)

        return jax.tree_util.tree_map_with_path(scaled, updates), state

    return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)


def decay_mask(params: Any, no_decay: tuple[str, ...]) -> Any:
    """Tell for each parameter whether it is decayed, by its path."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: not any(re.search(pattern, path_of(path)) for pattern in no_decay), params
    )
