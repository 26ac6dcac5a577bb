import numpy as np
import pytest

from bert_jax.tasks.leaderboard import format_predictions
from bert_jax.tasks.table import TASKS


@pytest.mark.parametrize(
    ("task", "split", "name", "words"),
    [
        ("cola", "test", "CoLA.tsv", ["0", "1"]),
        ("sst2", "test", "SST-2.tsv", ["0", "1"]),
        ("mrpc", "test", "MRPC.tsv", ["0", "1"]),
        ("qqp", "test", "QQP.tsv", ["0", "1"]),
        ("mnli", "test_matched", "MNLI-m.tsv", ["entailment", "neutral", "contradiction"]),
        ("mnli", "test_mismatched", "MNLI-mm.tsv", ["entailment", "neutral", "contradiction"]),
        ("qnli", "test", "QNLI.tsv", ["entailment", "not_entailment"]),
        ("rte", "test", "RTE.tsv", ["entailment", "not_entailment"]),
        ("wnli", "test", "WNLI.tsv", ["0", "1"]),
        ("ax", "test", "AX.tsv", ["entailment", "neutral", "contradiction"]),
    ],
)
def test_classes(task, split, name, words):
    found, text = format_predictions(TASKS[task], split, np.arange(len(words))[::-1])
    assert found == name
    rows = [f"{i}\t{word}" for i, word in enumerate(reversed(words))]
    assert text == "\n".join(["index\tprediction", *rows, ""])


def test_values_stay_within_their_bounds():
    values = np.array([-0.5, 2.34567, 5.25, 5.0], np.float32)
    found = format_predictions(TASKS["stsb"], "test", values)
    assert found == ("STS-B.tsv", "index\tprediction\n0\t0.000\n1\t2.346\n2\t5.000\n3\t5.000\n")
