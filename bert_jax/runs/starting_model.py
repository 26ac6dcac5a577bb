"""The model that fine-tuning begins with: a checkpoint's encoder, the head of the task."""

from dataclasses import replace
from pathlib import Path

from bert_jax import cli
from bert_jax.data.tokenizers import Tokenizer, load_tokenizer
from bert_jax.errors import ConfigError, DataError
from bert_jax.interop.published import Published
from bert_jax.model import SIZES, BertConfig
from bert_jax.model.with_heads import WITH_LABELS
from bert_jax.runs.finetuning_config import RandomModel
from bert_jax.runs.models import read_model, read_tokenizer
from bert_jax.tasks.task import Task

# The model that each head makes of BERT.
KIND_OF_HEAD = {
    "classification": "sequence_classification",
    "regression": "sequence_classification",
    "span": "question_answering",
    "tagging": "token_classification",
    "crf": "tagging",
}


def starting_model(init_from: str | None, random: RandomModel) -> tuple[Published, Tokenizer]:
    """Read the checkpoint to begin with, or describe a random model."""
    if not init_from:
        raise ConfigError(
            "config.init_from: missing; name a run, a Hugging Face folder or a TF1 checkpoint, "
            "or say 'random'"
        )
    if init_from != "random":
        model = read_model(Path(init_from))
        return model, read_tokenizer(model)
    if random.size not in SIZES:
        raise ConfigError(f"config.random.size={random.size}: wants one of {', '.join(SIZES)}")
    if not random.tokenizer:
        raise ConfigError("config.random.tokenizer: missing; name a folder, vocab.txt or .model")
    tokenizer = load_tokenizer(random.tokenizer)
    sizes = {"vocab_size": tokenizer.vocab_size, **SIZES[random.size]}
    model = cli.build(BertConfig, sizes, "config.random")
    path = Path(random.tokenizer)
    return Published(model, "encoder", (), {}, (), path, Path("random")), tokenizer


def with_head(
    model: Published, task: Task, *, new_head: bool, reinitialize_layers: int
) -> tuple[Published, tuple[str, ...]]:
    """Give a checkpoint the head of a task; what is to be drawn anew is taken out.

    Returns:
        the model, and what the user should hear about its head.

    Raises:
        ConfigError: more layers are to be drawn anew than there are.
        DataError: the checkpoint has a head of the same kind for other classes.
    """
    kind, layers = KIND_OF_HEAD[task.head], model.config.num_hidden_layers
    if not 0 <= reinitialize_layers <= layers:
        raise ConfigError(
            f"config.train.reinitialize_layers={reinitialize_layers}: the model has {layers}"
        )
    keeps_head = model.kind == kind and not new_head
    notes = _compare_classes(model, task) if keeps_head and kind in WITH_LABELS else ()
    doomed = tuple(
        f"bert/encoder/layer_{i}/" for i in range(layers - reinitialize_layers, layers)
    ) + (("bert/pooler/",) if reinitialize_layers else ())
    arrays = {
        path: array
        for path, array in model.arrays.items()
        if (path.startswith("bert/") or keeps_head) and not path.startswith(doomed)
    }
    return replace(model, kind=kind, labels=task.labels, arrays=arrays), notes


def _compare_classes(model: Published, task: Task) -> tuple[str, ...]:
    """Check that a head can be kept; tell where its classes go by other names."""
    theirs, ours = (tuple(map(str.casefold, labels)) for labels in (model.labels, task.labels))
    said = (
        f"{model.source}: its head tells {len(theirs)} classes apart "
        f"({', '.join(model.labels[:8])}), the task has {len(ours)} ({', '.join(task.labels[:8])})"
    )
    if len(theirs) != len(ours):
        raise DataError(f"{said}; --config.train.new_head=True draws a new one")
    if theirs == ours:
        return ()
    if set(theirs) & set(ours):  # one of them would silently become another
        raise DataError(
            f"{said}: names or order differ; --config.train.new_head=True draws a new head, "
            "config.data.labels gives the order for a task of your own"
        )
    return (f"{said}; the head is kept, its classes are taken in this order",)
