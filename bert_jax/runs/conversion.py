"""A model from one form to another."""

import dataclasses
from pathlib import Path

from bert_jax.errors import ConfigError
from bert_jax.interop.huggingface import write_huggingface
from bert_jax.runs.models import complete, read_model, read_tokenizer, write_model
from bert_jax.training.state import flatten
from bert_jax.whole import whole_folder


def convert(source: Path, target: Path, *, to: str, positions: int | None = None) -> str:
    """Convert a model and return the account of its parameters as a table.

    Args:
        source: a run's folder, a Hugging Face folder or a TF1 checkpoint.
        target: the folder to make; it must not exist, or be empty.
        to: "huggingface" or "bert_jax".
        positions: how many position embeddings the result has; None keeps them.

    Raises:
        CheckpointError: the source is no model, is damaged, or has no tokenizer.
        ConfigError: the target is there already, or cannot hold such a model.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"--output={target}: there already; name a new folder")
    model = read_model(source)
    tokenizer = read_tokenizer(model)
    if positions is not None:
        config = dataclasses.replace(model.config, max_position_embeddings=positions)
        model = dataclasses.replace(model, config=config)
    fitted = complete(model)
    if to == "huggingface":
        # What the checkpoint lacks is not made up: without a next-sentence head, and so on.
        known = {k: v for k, v in flatten(fitted.params).items() if k not in fitted.new}
        dropped = write_huggingface(
            target, model.config, model.kind, model.labels, known, tokenizer
        )
        return "\n".join([fitted.table(), *(f"not written: {path}" for path in dropped)])
    with whole_folder(target) as partial:
        write_model(partial, model, fitted.params, tokenizer)
    return fitted.table()
