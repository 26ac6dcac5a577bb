"""What is counted of predictions: the numbers are those by which the tasks themselves score."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.report.finetuning.answers import Answers
from bert_jax.report.finetuning.calibration import Calibration
from bert_jax.report.finetuning.classes import Classes
from bert_jax.report.finetuning.predictions import read_predictions
from bert_jax.report.finetuning.tags import Tags
from bert_jax.report.finetuning.values import Values
from bert_jax.report.finetuning.worst import Worst
from bert_jax.tasks.answers import AnswerConfig
from bert_jax.tasks.entities import score_entities
from bert_jax.tasks.examples import Answer, Example, Question, TaggedSentence
from bert_jax.tasks.metrics import score
from bert_jax.tasks.question_task import question_task
from bert_jax.tasks.reading import TaskData
from bert_jax.tasks.sentence_task import sentence_task
from bert_jax.tasks.squad import SquadReport
from bert_jax.tasks.squad_metric import score_answers
from bert_jax.tasks.table import Columns, TaskRow
from bert_jax.tasks.tagging_task import tagging_task
from bert_jax.tasks.windows import WindowConfig

TOKENIZER = WordPiece([*SPECIAL_TOKENS, *"abcdefgh"], lower_case=True)
DRAW = np.random.default_rng(0)


def write(folder: Path, lines) -> Path:
    path = folder / "predictions_validation.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def read(folder: Path, lines, task=""):
    problems: list[str] = []
    found = read_predictions(write(folder, lines), task, problems)
    assert problems == []
    return found


def test_the_worst_are_kept_and_of_equals_the_first():
    worst = Worst(3)
    for place, badness in enumerate([1.0, 5.0, 2.0, 5.0, 5.0, 0.0, 7.0]):
        worst.add(badness, {"place": place})
    assert [line["place"] for line in worst.lines()] == [6, 1, 3]


def sentences(head: str, metrics: tuple[str, ...], labels, values):
    """A sentence task whose validation rows have these labels or values."""
    row = TaskRow(
        name="own",
        head=head,
        metrics=metrics,
        labels=labels,
        columns=Columns("text", None, "label"),
        folder="",
        files={},
    )
    examples = [Example(f"dev:{i}", "a b", None, value) for i, value in enumerate(values)]
    data = TaskData(row, {"train": examples, "validation": examples}, ())
    return sentence_task(data, TOKENIZER, 8)


@pytest.mark.parametrize("common", ["a", "b"])
def test_classes_are_counted_and_guessed_as_the_task_scores_them(tmp_path: Path, common: str):
    labels, metrics = ("a", "b", "c"), ("accuracy", "f1", "macro_f1", "matthews")
    given = [*DRAW.choice(labels, 40).tolist(), *[common] * 20, *"abc"]
    task = sentences("classification", metrics, labels, given)
    scores = list(DRAW.normal(size=(len(given), 3)))
    found = read(tmp_path, task.predictions("validation", scores))
    assert isinstance(found, Classes) and found.labels == list(labels)
    right = sum(found.counts[x, x] for x in labels)
    assert right / found.scored == task.score("validation", scores)["accuracy"]
    assert found.counts["a", "b"] == sum(
        x == "a" and s.argmax() == 1 for x, s in zip(given, scores, strict=True)
    )
    targets = np.array([labels.index(x) for x in given])
    guessed = score(metrics, np.full_like(targets, labels.index(common)), targets)
    for name, value in guessed.items():
        baseline = found.baseline(name)
        assert baseline is not None and baseline.guess == f"always saying “{common}”"
        assert baseline.value == pytest.approx(value, abs=1e-12)


def test_a_model_is_as_sure_as_its_bins_say():
    calibration = Calibration()
    for probability, right in ((0.62, True), (0.68, False), (0.95, True), (1.0, True)):
        calibration.add(probability, right)
    (low, half, two), (high, one, also) = calibration.points
    assert (low, half, two) == (pytest.approx(0.65), 0.5, 2)
    assert (high, one, also) == (pytest.approx(0.975), 1.0, 2)
    assert calibration.error == pytest.approx((0.15 + 0.025) / 2)


def test_values_are_compared_with_always_saying_the_mean(tmp_path: Path):
    given, said = DRAW.normal(3, 1, 900), DRAW.normal(3, 2, 900)
    task = sentences("regression", ("pearson",), None, given.tolist())
    found = read(tmp_path, task.predictions("validation", list(said[:, None])))
    assert isinstance(found, Values) and found.scored == 900
    text = str(found.parts("v")[0][1])
    error = np.sqrt(np.mean((given - said) ** 2))
    assert f"off by {error:.2f} (root of the mean square)" in text
    assert f"{given.mean():.2f}, would be off by {given.std():.2f}" in text
    assert "Drawn are 600 of 900" in text and text.count("<use") <= 620
    worst = int(np.abs(given - said).argmax())
    assert str(found.parts("v")[1][1]).index(f"dev:{worst}<") < 1200


def test_the_drawn_values_are_from_everywhere():
    values = Values()
    for i in range(6000):
        values.add({"label": i, "prediction": 0})
    first = sum(label < 3000 for label, _ in values._points)
    assert 240 < first < 360  # 300 is the mean, 12 the standard deviation


def test_answers_come_out_as_the_task_scores_them(tmp_path: Path):
    context = "a b c d e f g h"
    questions = [
        Question(str(i), "a b", context, (Answer(x, context.index(x)),) if x else (), not x)
        for i, x in enumerate(["b c", "", "e f", "h", "", "c d e", "g"])
    ]
    windows, answers = WindowConfig(16, 4, 4), AnswerConfig(may_be_impossible=True)
    splits = {"train": questions, "validation": questions}
    reports = {split: SquadReport() for split in splits}
    task = question_task("squad2", "squad2", splits, reports, TOKENIZER, windows, answers)
    rows = task.features["validation"].input_ids
    scores = [DRAW.normal(size=(len(ids), 2)).astype(np.float32) for ids in rows]
    found = read(tmp_path, task.predictions("validation", scores), "squad2")
    assert isinstance(found, Answers) and found.scored == 7
    metrics = task.score("validation", scores)
    right = found.outcomes[True, "right"] + found.outcomes[False, "right"]
    assert 100 * right / 7 == pytest.approx(metrics["exact_match"])
    assert 100 * found.outcomes[False, "right"] / 2 == metrics["no_answer_exact_match"]
    none = score_answers(questions, {q.id: "" for q in questions}, "squad2")
    for name in ("f1", "exact_match"):
        baseline = found.baseline(name)
        assert baseline is not None and baseline.value == pytest.approx(none[name])


def test_an_answer_is_right_partly_right_wrong_or_not_given():
    answers = Answers("squad2")
    for accepted, said in (
        (["the red fox"], "Red fox."),
        (["red fox"], "fox"),
        (["red fox"], "hen"),
        (["red fox"], ""),
        ([], ""),
        ([], "hen"),
    ):
        answers.add({"question": "?", "answers": accepted, "prediction": said})
    assert answers.outcomes == {
        (True, "right"): 1,
        (True, "partly right"): 1,
        (True, "wrong"): 1,
        (True, "said there is none"): 1,
        (False, "right"): 1,
        (False, "wrong"): 1,
    }


def tagged(seed: int, sentences: int = 60) -> tuple[list[list[str]], list[list[str]]]:
    draw = random.Random(seed)
    classes = ["O", "O", "B-x", "I-x", "B-y", "I-y", "B-z"]
    tags = [draw.choices(classes, k=draw.randint(1, 9)) for _ in range(sentences)]
    said = [[tag if draw.random() < 0.7 else draw.choice(classes) for tag in row] for row in tags]
    return tags, said


@pytest.mark.parametrize("seed", range(3))
def test_entities_are_counted_as_seqeval_counts_them(seed: int):
    tags, said = tagged(seed)
    found = Tags()
    for a, b in zip(tags, said, strict=True):
        found.add({"words": ["w"] * len(a), "tags": a, "prediction": b})
    total, by_type = score_entities(tags, said)
    page = str(found.parts("t")[0][1])
    for name, scores in {"all": total, **by_type}.items():
        numbers = [f"{100 * x:.1f}%" for x in (scores.precision, scores.recall, scores.f1)]
        cells = "".join(f"<td>{x}</td>" for x in [*numbers, scores.entities])
        assert f"<tr><th>{name}</th>{cells}" in page
    there = sum(n for (label, _), n in found.counts.items() if label == "x")
    assert there == by_type["x"].entities  # each is found, missed or taken for another


def test_an_entity_found_with_other_words_is_missed_and_made_up():
    found = Tags()
    found.add({"words": [*"abcd"], "tags": ["B-x", "I-x", "O", "B-y"],
               "prediction": ["B-x", "O", "O", "B-z"]})  # fmt: skip
    assert found.counts == {("x", "no entity"): 1, ("no entity", "x"): 1, ("y", "z"): 1}


def test_tags_are_read_as_the_task_writes_them(tmp_path: Path):
    rows = [("a b c", "B-x I-x O"), ("d e", "O B-y"), ("f", "B-x")]
    sentences = [TaggedSentence("dev:1", (*w.split(),), (*t.split(),)) for w, t in rows]
    splits = {"train": sentences, "validation": sentences}
    task = tagging_task("tags", "tagging", splits, (), TOKENIZER, 8)
    ids = task.features["validation"].input_ids
    scores = [DRAW.normal(size=(len(row), len(task.labels))) for row in ids]
    found = read(tmp_path, task.predictions("validation", scores))
    assert isinstance(found, Tags) and found.scored == 3
    metrics, baseline = task.score("validation", scores), found.baseline("accuracy")
    assert f"<td>{100 * metrics['f1']:.1f}%</td><td>3</td>".replace("0.0%", "0%") in str(
        found.parts("t")[0][1]
    )
    assert baseline is not None and baseline.value == pytest.approx(2 / 6)


@pytest.mark.parametrize(
    "line",
    [
        {"text": "a", "label": None, "prediction": "x", "probabilities": {"x": 1.0}},
        {"text": "a", "label": None, "prediction": 0.5},
        {"question": "a", "answers": [], "prediction": "x"},
        {"words": ["a"], "tags": None, "prediction": ["O"]},
    ],
)
def test_a_split_whose_labels_are_hidden_is_left_out(tmp_path: Path, line):
    assert read(tmp_path, [line, line], "squad1") is None
    assert read(tmp_path, []) is None
