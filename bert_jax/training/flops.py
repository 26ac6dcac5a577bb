"""How much arithmetic a step is: every product of the model, counted from its shapes.

A product of [n, k] and [k, m] is 2nkm operations, a multiplication and an addition each. Its
backward pass is two such products, one for each factor: nothing at the bottom of the model is
exempt, since the embeddings are trained. Elementwise work, the sums of softmax and LayerNorm, the
optimizer and the look-up of embeddings are not counted.
"""

from bert_jax.model.config import BertConfig, Execution
from bert_jax.training.phases import Phase

BACKWARD = 2.0  # products for each of the forward pass


def products_of_row(
    config: BertConfig, length: int, predictions: int, sequences: int = 1
) -> dict[str, float]:
    """Count the operations of each kind of product in a row's forward pass.

    Args:
        config: the model.
        length: tokens, padding included.
        predictions: positions at which the vocabulary is scored.
        sequences: how many [CLS] are pooled and judged; 0 without next sentence prediction.
    """
    width, layers = config.hidden_size, config.num_hidden_layers
    return {
        "query, key, value and output": layers * length * 4 * 2.0 * width**2,
        "queries with keys": layers * 2.0 * length**2 * width,
        "probabilities with values": layers * 2.0 * length**2 * width,
        "feed-forward": layers * length * 2 * 2.0 * width * config.intermediate_size,
        "pooler and next sentence": sequences * 2.0 * width * (width + 2),
        "transform of predictions": predictions * 2.0 * width**2,
        "scores of the vocabulary": predictions * 2.0 * width * config.vocab_size,
    }


def flops_per_row(config: BertConfig, length: int, predictions: int, sequences: int = 1) -> float:
    """Count the operations of all products in a row's forward pass; see `products_of_row`."""
    return sum(products_of_row(config, length, predictions, sequences).values())


def flops_per_step(config: BertConfig, phase: Phase, predictions: int, sequences: int = 1) -> float:
    """Count the operations of the model's products in one step, forward and backward.

    Padding counts, what is recomputed does not. `predictions` and `sequences` are those of a row.
    """
    row = flops_per_row(config, phase.row_length, predictions, sequences)
    return (1 + BACKWARD) * phase.batch_size * row


def recomputed_per_step(config: BertConfig, execution: Execution, phase: Phase) -> float:
    """Count the operations of products that are computed a second time, so as not to be kept.

    Rematerialization computes layers again, or the attention between their dense ones, which splash
    keeps; the backward pass of any fused attention the scores.
    """
    row = products_of_row(config, phase.row_length, 0, 0)
    scores = row["queries with keys"]
    of_dots = 0.0 if execution.attention == "splash" else scores + row["probabilities with values"]
    again = {"none": 0.0, "dots": of_dots, "layer": sum(row.values())}[execution.rematerialize]
    if execution.attention != "plain":
        again += scores
    return phase.batch_size * again
