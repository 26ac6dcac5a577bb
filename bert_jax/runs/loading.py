"""A run's model, taken out of its folder."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp

from bert_jax import Loaded
from bert_jax.data.tokenizers import load_tokenizer
from bert_jax.errors import CheckpointError
from bert_jax.model import BertConfig, BertForPretraining, Execution
from bert_jax.training.checkpoints import load_params


def load_run(directory: Path) -> Loaded:
    """Load config, parameters and tokenizer of a run; see `bert_jax.load`."""
    path = directory / "model.json"
    try:
        config = BertConfig(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: not the model of a run ({error})") from error
    module = BertForPretraining(config, Execution())
    ids = jnp.zeros((1, 2), jnp.int32)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), ids, ids, ids, ids)["params"])
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=device), shapes)
    return Loaded(
        config=config,
        module=module,
        params=load_params(directory / "checkpoints", like),
        tokenizer=load_tokenizer(directory / "tokenizer"),
    )
