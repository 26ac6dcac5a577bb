"""What a model can be asked: the head that each task needs, and whether it is there."""

from pathlib import Path

from bert_jax import Loaded
from bert_jax.errors import CheckpointError, ConfigError

# The heads of each kind, and the parameters beside the encoder's that they are computed with.
HEADS: dict[str, dict[str, tuple[str, ...]]] = {
    "encoder": {},
    "pretraining": {
        "mlm": ("masked_language_model",),
        "nsp": ("next_sentence", "bert/pooler"),
    },
    "sequence_classification": {"classifier": ("classifier", "bert/pooler")},
    "token_classification": {"classifier": ("classifier",)},
    "question_answering": {"span": ("span",)},
    "tagging": {"classifier": ("classifier",), "crf": ("classifier", "crf")},
}
ENCODER = ("bert/embeddings", "bert/encoder")
POOLER = "bert/pooler"

# The heads that a task can do with, by the kind of model; the encoder alone where there is none.
TASKS: dict[str, dict[str, tuple[str, ...]]] = {
    "fill_mask": {"pretraining": ("mlm",)},
    "next_sentence": {"pretraining": ("nsp",)},
    "classify": {"sequence_classification": ("classifier",)},
    "answer": {"question_answering": ("span",)},
    "tag": {"token_classification": ("classifier",), "tagging": ("crf",)},
    "embed": {},
    "attention": {},
    "logits": {kind: tuple(heads) for kind, heads in HEADS.items() if heads},
}
_NAMES = {
    "mlm": "masked-language-model head",
    "nsp": "next-sentence head",
    "classifier": "classifier",
    "span": "question-answering head",
    "crf": "chain of tags",
}


def find_heads(loaded: Loaded) -> tuple[str, ...]:
    """Return the heads whose parameters were all in the checkpoint."""
    heads = HEADS[loaded.kind].items()
    return tuple(name for name, parts in heads if not _lacking(loaded, parts))


def has_pooler(loaded: Loaded) -> bool:
    """Tell whether [CLS] can be pooled."""
    return "pooler" in loaded.params["bert"] and not _lacking(loaded, (POOLER,))


def check_task(task: str, loaded: Loaded, model: Path) -> None:
    """Refuse a task that a model is not made for, or lacks parameters for.

    Args:
        task: one of TASKS.
        loaded: the model.
        model: its folder, for messages.

    Raises:
        ConfigError: the model is of another kind.
        CheckpointError: it is of the kind, but its checkpoint lacks the head, or part of BERT.
    """
    if lacking := _lacking(loaded, ENCODER):
        raise CheckpointError(f"{model}: is not a whole BERT; its checkpoint lacks {lacking}")
    possible = _possible(loaded)
    if task in possible:
        return
    can = f"it can do {', '.join(possible)}"
    if loaded.kind not in TASKS[task]:
        raise ConfigError(
            f"--task={task}: does not fit the model in {model}, which is of kind {loaded.kind}; "
            f"{can}"
        )
    head = TASKS[task][loaded.kind][0]
    lacking = _lacking(loaded, HEADS[loaded.kind][head])
    raise CheckpointError(f"{model}: has no {_NAMES[head]}, its checkpoint lacks {lacking}; {can}")


def _possible(loaded: Loaded) -> list[str]:
    """Return the tasks that a model can do."""
    heads = set(find_heads(loaded))
    return [
        task
        for task, kinds in TASKS.items()
        if not kinds or heads.intersection(kinds.get(loaded.kind, ()))
    ]


def _lacking(loaded: Loaded, parts: tuple[str, ...]) -> str:
    """Return the first parameter of some parts that the checkpoint did not have, "" for none."""
    prefixes = tuple(f"{part}/" for part in parts)
    return next((path for path in loaded.newly_initialized if path.startswith(prefixes)), "")
