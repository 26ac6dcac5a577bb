"""A trained model, taken out of a folder or put into one, whoever made it."""

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bert_jax import Loaded, cli
from bert_jax.data.tokenizers import Tokenizer, load_tokenizer
from bert_jax.errors import CheckpointError, ConfigError, DataError
from bert_jax.interop.huggingface import is_huggingface, read_huggingface
from bert_jax.interop.published import Published
from bert_jax.interop.tensorflow_checkpoint import is_tensorflow, read_tensorflow
from bert_jax.model import KINDS, BertConfig, Execution, Module, initialize, make_model
from bert_jax.runs.fitting import Fit, fit
from bert_jax.training.checkpoints import Checkpoints, load_arrays
from bert_jax.training.state import TrainState, flatten, nest
from bert_jax.whole import write_json

MODEL = "model.json"
CHECKPOINTS = "checkpoints"
TOKENIZER = "tokenizer"
_ALWAYS_DRAWN = 2**20  # numbers, whatever a checkpoint holds


def read_model(path: Path) -> Published:
    """Read the model of a run of ours, of a Hugging Face folder or of a TF1 checkpoint.

    Raises:
        CheckpointError: there is none of these, it is damaged, or it is no BERT.
    """
    if (path / MODEL).is_file():
        return _read_own(path)
    if is_huggingface(path):
        return read_huggingface(path)
    if is_tensorflow(path):
        return read_tensorflow(path)
    raise CheckpointError(
        f"{path}: no model here; wants a run's folder (model.json), a Hugging Face folder "
        "(config.json) or a TF1 checkpoint (bert_config.json)"
    )


def write_description(
    directory: Path, config: BertConfig, kind: str, labels: tuple[str, ...] = ()
) -> None:
    """Write what `read_model` has to know of a model besides its parameters."""
    description = {"kind": kind, "labels": labels, "config": dataclasses.asdict(config)}
    write_json(directory / MODEL, description)


def write_model(directory: Path, model: Published, params: Any, tokenizer: Tokenizer) -> None:
    """Write a model as a folder that is read like a run's."""
    write_description(directory, model.config, model.kind, model.labels)
    tokenizer.save(directory / TOKENIZER)
    state = TrainState(jnp.zeros((), jnp.int32), params, (), jax.random.key(0))
    Checkpoints(directory / CHECKPOINTS, keep=1).save(state, {})


def read_tokenizer(model: Published) -> Tokenizer:
    """Load the tokenizer that belongs to a model.

    Raises:
        CheckpointError: there is none, it is damaged, or it has more pieces than the model.
    """
    if model.tokenizer is None:
        raise CheckpointError(
            f"{model.source.parent}: no vocabulary beside the weights; put its vocab.txt, "
            "tokenizer.json or .model there"
        )
    try:
        tokenizer = load_tokenizer(model.tokenizer)
    except DataError as error:
        raise CheckpointError(str(error)) from error
    if tokenizer.vocab_size > model.config.vocab_size:
        raise CheckpointError(
            f"{model.tokenizer}: {tokenizer.vocab_size} pieces, but the model in {model.source} "
            f"knows {model.config.vocab_size}; they do not belong together"
        )
    return tokenizer


def complete(model: Published, seed: int = 0) -> Fit:
    """Give all parameters of a model; what the checkpoint lacks is drawn from the seed."""
    module = make_model(model.kind, model.config, Execution(), len(model.labels))
    shapes = flatten(jax.eval_shape(lambda: initialize(module, jax.random.key(0))))
    _check_amount(model, shapes)
    lacking = tuple(  # altogether, or some of its rows
        path
        for path, like in shapes.items()
        if path not in model.arrays or model.arrays[path].shape != like.shape
    )
    drawn = _drawing(module, lacking)(jax.random.key(seed)) if lacking else {}
    return fit(model, nest({**shapes, **drawn}))


@functools.lru_cache(maxsize=4)
def _drawing(module: Module, paths: tuple[str, ...]) -> Callable[[Array], dict[str, Array]]:
    """Compile the drawing of some of a model's parameters once, for any number of seeds."""

    def draw(key: Array) -> dict[str, Array]:
        drawn = flatten(initialize(module, key))
        return {path: drawn[path] for path in paths}

    return jax.jit(draw)


def _check_amount(model: Published, wanted: dict[str, Any]) -> None:
    """Check that what has to be drawn is no more than a few heads would be.

    Raises:
        CheckpointError: it is more than the whole checkpoint holds.
    """
    held = {path: array.size for path, array in model.arrays.items()}
    lacking = sum(max(0, x.size - held.get(path, 0)) for path, x in wanted.items())
    total = sum(held.values())  # nothing where a model begins at random
    if total and lacking > total + _ALWAYS_DRAWN:
        raise CheckpointError(
            f"{model.source}: it holds {total:,} numbers, and by its config {lacking:,} more are "
            "missing; config and weights are not of the same model"
        )


def load(directory: Path) -> Loaded:
    """Load a model to be used; see `bert_jax.load`."""
    model = read_model(directory)
    tokenizer = read_tokenizer(model)
    fitted = complete(model)
    return Loaded(
        config=model.config,
        kind=model.kind,
        labels=model.labels,
        module=make_model(model.kind, model.config, Execution(), len(model.labels)),
        params=jax.device_put(fitted.params),
        tokenizer=tokenizer,
        newly_initialized=fitted.new,
    )


def _read_own(directory: Path) -> Published:
    path = directory / MODEL
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        config = cli.build(BertConfig, description["config"], "config")
        kind, labels = description["kind"], tuple(description["labels"])
        if kind not in KINDS:
            raise ValueError(f"kind={kind!r} must be one of {', '.join(KINDS)}")
    except (OSError, ValueError, LookupError, TypeError, RecursionError, ConfigError) as error:
        raise CheckpointError(f"{path}: not the description of a model ({error})") from error
    arrays: dict[str, np.ndarray] = load_arrays(directory / CHECKPOINTS)
    if not arrays:
        raise CheckpointError(f"{directory / CHECKPOINTS}: the newest holds no parameters")
    tokenizer = directory / TOKENIZER
    return Published(
        config=config,
        kind=kind,
        labels=labels,
        arrays=arrays,
        unused=(),
        tokenizer=tokenizer if tokenizer.is_dir() else None,
        source=directory / CHECKPOINTS,
    )
