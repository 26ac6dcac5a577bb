"""What is measured: sizes of model and batch that both sides read."""

from dataclasses import dataclass

VOCAB_SIZE = 30_522  # of the model, as BERT's; the rows use as much of it as their tokenizer has
LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Case:
    """A model and its batch."""

    size: str
    batch_size: int
    max_seq_length: int = 128
    max_predictions: int = 20


CASES = {
    "tiny": Case("tiny", 64),
    "mini": Case("mini", 32),
    "small": Case("small", 16),
    "base": Case("base", 8),
}

# Of fine-tuning: rows are padded to what their batch needs, at most to the length here.
TASK_CASES = {name: Case(name, 32) for name in ("tiny", "mini", "small")} | {
    "base": Case("base", 16)
}
