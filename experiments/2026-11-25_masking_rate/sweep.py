"""15% against 30% of tokens predicted, three seeds each; all else is as in README.md."""

from collections.abc import Iterator
from typing import Any

PREDICTIONS = {0.15: 5, 0.3: 10}  # slots of a row of 32 tokens


def sweep() -> Iterator[dict[str, Any]]:
    """Give the fields of each run."""
    for seed in range(3):
        for rate, most in PREDICTIONS.items():
            yield {"masking.rate": rate, "train.max_predictions": most, "seed": seed}
