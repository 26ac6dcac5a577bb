"""Compare this project's BERT with what `transformers` computed for the same weights.

Prints the largest differences, writes them as JSON, and exits with 1 where a bound is broken.

    python -m experiments.parity.models FOLDER RESULT   (FOLDER: what huggingface_models wrote)
"""

import dataclasses
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from bert_jax.interop.huggingface import read_huggingface
from bert_jax.model import BertConfig, BertForPretraining, Execution
from bert_jax.objectives.masking import Masked, Masking, Vocabulary
from bert_jax.objectives.objective import Objective
from bert_jax.objectives.pretraining import PretrainingExamples, pretraining_objective
from bert_jax.training.optimizer import OptimizerConfig, make_optimizer
from bert_jax.training.schedules import Schedule, learning_rate, tabulated
from bert_jax.training.state import TrainState
from bert_jax.training.step import make_train_step

# Gradients relative to the parameter's largest entry, all else absolute. The biases of keys stand
# apart: a constant added to all the scores of a query changes nothing, so their gradient is
# rounding alone (1e-8 here), which Adam scales up to steps that can be seen.
BOUNDS = {
    "outputs": 1e-5,
    "loss": 1e-5,
    "gradients": 1e-4,
    "trained": 1e-6,
    "trained key biases": 1e-5,
}

# What huggingface_models trains with.
STEPS = 10
OPTIMIZER = OptimizerConfig(
    name="adamw", learning_rate=1e-4, warmup_steps=2, schedule="linear", end_learning_rate=0.0,
    beta1=0.9, beta2=0.999, epsilon=1e-6, weight_decay=0.1, no_decay=("bias", "layer_norm"),
    clip_norm=1.0,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    """A model in our form, a batch, and what `transformers` said; arrays by our paths."""

    config: BertConfig
    params: dict
    batch: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]
    trained: dict[str, np.ndarray]


def read_case(directory: Path) -> Case:
    """Read the folder of one model."""
    published = read_huggingface(directory / "model")
    return Case(
        published.config,
        unflatten_dict(published.arrays, sep="/"),
        dict(np.load(directory / "batch.npz")),
        dict(np.load(directory / "outputs.npz")),
        read_huggingface(directory / "gradients").arrays,
        read_huggingface(directory / "trained").arrays,
    )


def compare(case: Case) -> dict[str, dict[str, float]]:
    """Find the largest difference in each output and each parameter; keys are those of BOUNDS."""
    trained, loss = trained_differences(case)
    key_biases = {path for path in trained if path.endswith("key/bias")}
    return {
        "outputs": output_differences(case),
        "loss": {"loss": loss},
        "gradients": gradient_differences(case),
        "trained": {path: trained[path] for path in trained.keys() - key_biases},
        "trained key biases": {path: trained[path] for path in key_biases},
    }


def output_differences(case: Case) -> dict[str, float]:
    """Compare hidden states, pooled vector and both scores, at every position of every row."""
    model = BertForPretraining(case.config, Execution())
    features = [case.batch[n] for n in ("input_ids", "token_type_ids", "attention_mask")]
    positions = np.broadcast_to(np.arange(features[0].shape[1]), features[0].shape)

    def run(params: dict, positions: jax.Array, *features: jax.Array) -> dict[str, jax.Array]:
        bound = model.bind({"params": params})
        bert, scores = bound.bert(*features), bound(*features, positions)
        return scores._asdict() | {
            "hidden_states": jnp.stack(bert.hidden_states),
            "pooled": bert.pooled,
        }

    found = jax.jit(run)(case.params, positions, *features)
    return {name: largest(found[name], case.outputs[name]) for name in found}


def gradient_differences(case: Case) -> dict[str, float]:
    """Compare the gradient of every parameter, relative to its largest entry.

    A thousandth of the largest entry of all gradients is the least that a difference is measured
    against, since some gradients are nothing but rounding.
    """
    objective, examples = fixed_objective(case), fixed_examples(case.batch)

    def loss(params: dict) -> jax.Array:
        return objective.loss(params, examples, objective.weights(examples), None)[0]

    found = by_path(jax.jit(jax.grad(loss))(case.params), case.gradients)
    floor = 1e-3 * max(np.abs(wanted).max() for wanted in case.gradients.values())
    return {
        path: largest(found[path], wanted) / float(max(np.abs(wanted).max(), floor))
        for path, wanted in case.gradients.items()
    }


def trained_differences(case: Case) -> tuple[dict[str, float], float]:
    """Take ten steps on the batch; compare every parameter after them, and the first loss."""
    rate = learning_rate(
        Schedule(OPTIMIZER.learning_rate, OPTIMIZER.warmup_steps, OPTIMIZER.schedule, 0.0), STEPS
    )
    optimizer = make_optimizer(OPTIMIZER)
    step = jax.jit(make_train_step(fixed_objective(case), optimizer))
    params, key = jax.tree.map(jnp.asarray, case.params), jax.random.key(0)
    state = TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params), key)
    losses = []
    for rate_now in tabulated(rate, STEPS):
        state, metrics, _ = step(state, fixed_examples(case.batch), rate_now, np.inf)
        parts = (metrics["mlm_loss"], metrics["nsp_loss"])
        losses.append(sum(float(part.numerator / part.denominator) for part in parts))
    found = by_path(state.params, case.trained)
    differences = {path: largest(found[path], wanted) for path, wanted in case.trained.items()}
    return differences, abs(losses[0] - float(case.outputs["loss"]))


def fixed_objective(case: Case) -> Objective:
    """Take the objective of pretraining, on examples whose masks are drawn already."""
    model = BertForPretraining(case.config, Execution())
    unused = Masking(0.15, 1, 0.8, 0.1), Vocabulary(case.config.vocab_size, 0, ())
    objective = pretraining_objective(model.apply, *unused, with_nsp=True)
    return dataclasses.replace(objective, examples=lambda batch, key: batch)


def fixed_examples(batch: dict[str, np.ndarray]) -> PretrainingExamples:
    """Turn labels at every position (-100: none) into slots of predictions."""
    labelled = batch["labels"] >= 0
    slots = labelled.sum(axis=1).max()
    positions = np.argsort(~labelled, axis=1, kind="stable")[:, :slots].astype(np.int32)
    weights = np.take_along_axis(labelled, positions, axis=1).astype(np.float32)
    labels = np.where(weights > 0, np.take_along_axis(batch["labels"], positions, axis=1), 0)
    masked = Masked(*map(jnp.asarray, (batch["input_ids"], positions, labels, weights)))
    rest = (batch[n] for n in ("token_type_ids", "attention_mask", "next_sentence_label"))
    return PretrainingExamples(masked, *map(jnp.asarray, rest))


def by_path(params: dict, wanted: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Flatten our parameters; they must be those that `transformers` has, no more, no fewer."""
    found = flatten_dict(params, sep="/")
    if found.keys() != wanted.keys():
        raise ValueError(f"parameters of one side alone: {sorted(found.keys() ^ wanted.keys())}")
    return found


def largest(found: jax.Array | np.ndarray, wanted: np.ndarray) -> float:
    """Find the largest absolute difference of two arrays of one shape."""
    if found.shape != wanted.shape:
        raise ValueError(f"shapes {found.shape} and {wanted.shape}")
    return float(np.abs(np.asarray(found) - wanted).max())


def main(folder: Path, result: Path) -> int:
    """Compare every model in the folder."""
    table = {}
    print(f"{'model':20}" + "".join(f"{name:>20}" for name in BOUNDS))
    for directory in sorted(path for path in folder.iterdir() if path.is_dir()):
        differences = compare(read_case(directory))
        row = {name: max(found.values()) for name, found in differences.items()}
        print(f"{directory.name:20}" + "".join(f"{row[name]:20.1e}" for name in BOUNDS))
        table[directory.name] = row
    broken = [f"{m} {n}" for m, row in table.items() for n in BOUNDS if not row[n] <= BOUNDS[n]]
    print(f"broken: {', '.join(broken)}" if broken else "all within bounds")
    result.write_text(json.dumps({"bounds": BOUNDS, "models": table}, indent=2) + "\n")
    return 1 if broken or not table else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
