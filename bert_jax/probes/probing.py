"""What a run asks its model at intervals, put together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jax.sharding import NamedSharding

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.probes.labelled import read_labelled
from bert_jax.probes.likelihood import PairProbe
from bert_jax.probes.linear import LinearProbe
from bert_jax.probes.pairs import read_pairs
from bert_jax.training.stage import Probe


@dataclass(frozen=True)
class ProbeConfig:
    """What a model is asked beside its loss, and how often."""

    every: int
    pairs: str
    labelled: str

    def __post_init__(self) -> None:
        if self.every < 0:
            raise ValueError(f"every={self.every} must be 0, for never, or more steps")
        if self.every and not (self.pairs or self.labelled):
            raise ValueError(
                "pairs='' and labelled='' leave nothing to ask; say builtin or a file for one of "
                "them, or every=0"
            )


def make_probe(
    config: ProbeConfig,
    apply: Callable[..., Any],
    encode: Callable[..., Any],
    tokenizer: Tokenizer,
    positions: int,
    answers: NamedSharding,
) -> Probe | None:
    """Read what is to be asked, and encode it; None: nothing is.

    Args:
        config: what to ask.
        apply: of the model's module.
        encode: of its encoder, which gives the last hidden states.
        tokenizer: the model's.
        positions: tokens that the model can take.
        answers: a sharding that shows what is computed to every process.

    Raises:
        DataError: a file is not what it is to be, or a sentence is too long for the model.
    """
    if not config.every:
        return None
    asked: list[Callable[[Any], dict[str, float]]] = []
    if config.pairs:
        asked.append(PairProbe(apply, read_pairs(config.pairs), tokenizer, positions, answers))
    if config.labelled:
        sentences = read_labelled(config.labelled)
        asked.append(LinearProbe(encode, sentences, tokenizer, positions, answers))

    def metrics(params: Any) -> dict[str, float]:
        return {name: value for ask in asked for name, value in ask(params).items()}

    return Probe(config.every, metrics)
