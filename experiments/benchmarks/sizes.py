"""What is measured: sizes of model and batch that both sides read."""

from dataclasses import dataclass

VOCAB_SIZE = 30_522  # of the model, as BERT's; the rows use as much of it as their tokenizer has
LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Case:
    """A model and its batch; the dropout is BERT's, of probabilities too unless told otherwise."""

    size: str
    batch_size: int
    max_seq_length: int = 128
    max_predictions: int = 20
    probabilities_dropout: float = 0.1


CASES = {
    "tiny": Case("tiny", 64),
    "mini": Case("mini", 32),
    "small": Case("small", 16),
    "base": Case("base", 8),
    # For an accelerator; without dropout of probabilities fused attention can be had.
    "base_256": Case("base", 256),
    "base_256_fused": Case("base", 256, probabilities_dropout=0.0),
    "base_512": Case("base", 512),
    "large_512": Case("large", 32, 512, 80),
    "large_512_fused": Case("large", 32, 512, 80, probabilities_dropout=0.0),
}

# Of fine-tuning: rows are padded to what their batch needs, at most to the length here.
TASK_CASES = {name: Case(name, 32) for name in ("tiny", "mini", "small")} | {
    "base": Case("base", 16)
}
