"""Test predictions in the form that gluebenchmark.com takes."""

import numpy as np

from bert_jax.tasks.table import TaskRow


def format_predictions(row: TaskRow, split: str, predictions: np.ndarray) -> tuple[str, str]:
    """Return the name and the text of the file with a test split's predictions.

    Args:
        row: the task; its labels are known.
        split: one of `row.leaderboard`.
        predictions: class indices, or values, in the order of the test rows [N].
    """
    if row.head == "regression":
        values = np.clip(predictions, *row.bounds) if row.bounds else predictions
        words = [f"{value:.3f}" for value in values]
    else:
        words = [row.written_labels[index] for index in predictions]
    lines = ["index\tprediction", *(f"{index}\t{word}" for index, word in enumerate(words))]
    return row.leaderboard[split], "\n".join(lines) + "\n"
