"""Score answers a second time, by the port of the official script in torchmetrics.

Needs torch and torchmetrics, which this project does not use: run it where `huggingface_train`
runs. Compares question by question, in float32 as there, and exits with 1 where any differs. The
two disagree by design where nothing is left of a text and of its answer but articles and
punctuation: the script of SQuAD 1.1 gives F1 0, torchmetrics, as the script of SQuAD 2.0, gives 1;
such questions are counted apart.

    python -m experiments.finetuning.torchmetrics_squad QUESTIONS.json FILE [FILE ...]

QUESTIONS is what the sides were scored on, in SQuAD 1.1's form; a FILE has the
predictions of a run, an object a line with `id` and `prediction`.
"""

import json
import sys
from pathlib import Path

import numpy as np
from torchmetrics.functional.text import squad

from bert_jax.tasks.examples import Question
from bert_jax.tasks.squad import SquadReport, read_squad
from bert_jax.tasks.squad_metric import normalize, score_squad1


def main(questions: list[Question], files: list[Path]) -> int:
    """Compare each file; return the exit code."""
    found = [compare(questions, path) for path in files]
    return int(any(found))


def compare(questions: list[Question], path: Path) -> int:
    """Print the figures of one file; return how many questions differ."""
    lines = path.read_text(encoding="utf-8").split("\n")
    said = {row["id"]: row["prediction"] for row in (json.loads(line) for line in lines if line)}
    differing, apart_by_design, ours, theirs = 0, 0, [], []
    for question in questions:
        text, golds = said[question.id], [answer.text for answer in question.answers]
        answers = {"text": golds, "answer_start": [0] * len(golds)}
        scores = squad(
            {"id": question.id, "prediction_text": text}, {"id": question.id, "answers": answers}
        )
        ours.append([100 * score for score in score_squad1(golds, text)])
        theirs.append([scores["exact_match"].item(), scores["f1"].item()])
        if not np.allclose(ours[-1], theirs[-1], rtol=1e-6, atol=0):
            nothing_left = not normalize(text) and any(not normalize(gold) for gold in golds)
            apart_by_design += nothing_left
            differing += not nothing_left
    (exact, f1), (their_exact, their_f1) = np.mean(ours, axis=0), np.mean(theirs, axis=0)
    print(
        f"{path}: {len(questions)} questions, {differing} differ, {apart_by_design} by design; "
        f"exact match {exact:.4f} and {their_exact:.4f}, F1 {f1:.4f} and {their_f1:.4f}"
    )
    return differing


if __name__ == "__main__":
    read = read_squad(Path(sys.argv[1]), SquadReport())
    sys.exit(main(read, [Path(name) for name in sys.argv[2:]]))
