"""The things that are damaged, each as small as it can be: a corpus, checkpoints, models, tasks."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from bert_jax import cli
from bert_jax.data.preparation import PrepareConfig, prepare
from bert_jax.data.tokenizers import Tokenizer, train_tokenizer
from bert_jax.interop.huggingface import write_huggingface
from bert_jax.interop.published import Published
from bert_jax.model import BertConfig
from bert_jax.runs.models import complete, read_model, read_tokenizer, write_model
from bert_jax.training.checkpoints import Checkpoints
from bert_jax.training.state import TrainState, flatten
from bert_jax.whole import whole_folder
from experiments.faults import toy

OLDER, NEWER = 5, 10  # the steps of the two checkpoints


@functools.cache
def make_tokenizer() -> Tokenizer:
    """Train a toy tokenizer."""
    return train_tokenizer("wordpiece", iter([toy.make_text(40)]), 64, True)


def prepare_config(text: Path, **changes: Any) -> PrepareConfig:
    """Give a config for preparing a text."""
    from configs import prepare as defaults

    config = defaults.get_config()
    config.tokenizer.vocab_size = 64
    config.update_from_flattened_dict(
        {name.replace("__", "."): value for name, value in changes.items()}
    )
    fields = config.to_dict() | {"input": str(text)}
    del fields["output"], fields["workers"]
    return cli.build(PrepareConfig, fields, "config")


def make_corpus(folder: Path) -> Path:
    """Prepare a toy corpus of several shards, unless it is there."""
    text = toy.write_text(folder.with_suffix(".txt"))
    config = prepare_config(text, validation_share=0.2, shard_tokens=2_000, format="sentences")
    prepare(config, folder, workers=1, progress=False)
    return folder


def make_state(step: int) -> TrainState:
    """Make a state of a few arrays, with an optimizer's."""
    draw = np.random.default_rng(step)
    shapes = {"kernel": (16, 8), "bias": (8,), "scale": (16,)}
    params = {
        name: jnp.asarray(draw.normal(size=shape), jnp.float32) for name, shape in shapes.items()
    }
    moments = optax.adam(1e-3).init({"dense": params})
    return TrainState(
        jnp.asarray(step, jnp.int32), {"dense": params}, moments, jax.random.key(step)
    )


def like(state: TrainState) -> Any:
    """Give the shapes and places of a state."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )


def make_checkpoints(folder: Path) -> Checkpoints:
    """Save two states, unless they are there."""
    checkpoints = Checkpoints(folder, keep=5)
    for step in (OLDER, NEWER):
        if step not in checkpoints.steps():
            checkpoints.save(make_state(step), {"sums": {"loss": [0.5, step]}})
    return checkpoints


def make_model(folder: Path, form: str) -> Path:
    """Write a tiny classifier as a folder of ours or of Hugging Face, unless it is there."""
    if folder.exists():
        return folder
    tokenizer = make_tokenizer()
    config = BertConfig(tokenizer.vocab_size, 16, 1, 2, 32, max_position_embeddings=16)
    kind, labels = "sequence_classification", ("no", "yes")
    model = Published(config, kind, labels, {}, (), None, Path("drawn"))
    params = complete(model).params
    if form == "huggingface":
        write_huggingface(folder, config, kind, labels, flatten(params), tokenizer)
    else:
        with whole_folder(folder) as partial:
            write_model(partial, model, params, tokenizer)
    return folder


def read_all(folder: Path) -> tuple[Any, ...]:
    """Read a model with its tokenizer; give all that it computes with, to be compared."""
    model = read_model(folder)
    arrays = {path: (array.dtype.str, array.tobytes()) for path, array in model.arrays.items()}
    return model.config, model.kind, model.labels, arrays, read_tokenizer(model).fingerprint
