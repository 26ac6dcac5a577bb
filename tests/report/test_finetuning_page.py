"""The page of a fine-tuning run: right figures, of every kind of task, whatever is missing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bert_jax.report import write_report
from bert_jax.report.finetuning.run import read_finetuning_run

CLASS_LINES = [
    {
        "place": f"some/folder/dev.tsv:{i}",
        "text": f"text {i}",
        "text_pair": f"pair {i}",
        "label": label,
        "prediction": "yes" if yes > 0.5 else "no",
        "probabilities": {"no": 1 - yes, "yes": yes},
    }
    for i, (label, yes) in enumerate([("yes", 0.9)] * 5 + [("no", 0.2), ("no", 0.96), ("no", 0.7)])
]
VALUE_LINES = [
    {"place": f"dev:{i}", "text": f"text {i}", "label": i / 2, "prediction": i / 3}
    for i in range(10)
]
ANSWER_LINES = [
    {
        "id": f"q{i}",
        "question": f"question {i}?",
        "prediction": said,
        "answers": answers,
        "null_odds": 0.0,
        "candidates": [{"text": said, "probability": 0.4, "start_logit": 1, "end_logit": 1}],
    }
    for i, (answers, said) in enumerate([(["a fox"], "fox"), (["hen"], "cow"), ([], ""), ([], "x")])
]
TAG_LINES = [
    {
        "place": "dev:1",
        "words": ["Ada", "met", "Ann", "in", "Rome"],
        "tags": ["B-PER", "O", "B-PER", "O", "B-LOC"],
        "prediction": ["B-PER", "O", "O", "O", "B-PER"],
    }
]
# task, its metrics, the lines of its predictions
KINDS: dict[str, tuple[str, dict[str, float], list[dict[str, Any]]]] = {
    "classes": ("rte", {"accuracy": 0.75}, CLASS_LINES),
    "values": ("stsb", {"pearson": 1.0, "spearman": 1.0}, VALUE_LINES),
    "answers": ("squad2", {"exact_match": 50.0, "f1": 50.0, "null_threshold": -1.5}, ANSWER_LINES),
    "tags": ("tags", {"f1": 0.4, "accuracy": 0.6, "f1_LOC": 0.0, "f1_PER": 0.5}, TAG_LINES),
}


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def write_run(folder: Path, kind: str = "classes") -> Path:
    """Write a finished run of 40 steps, evaluated four times and best at step 20."""
    task, metrics, lines = KINDS[kind]
    primary = "f1" if "f1" in metrics else next(iter(metrics))
    folder.mkdir(parents=True)
    config = {"task": task, "init_from": "some/base", "train": {"what": "top:2", "epochs": 3.0}}
    write_json(folder / "config.json", config)
    write_json(folder / "run.json", {"command": "python -m bert_jax.finetune", "task": task})
    write_json(folder / "model.json", {"config": {"hidden_size": 16, "num_hidden_layers": 2}})
    steps: list[dict[str, Any]] = [
        {"step": step, "split": "train", "task_loss": 1 / step, "learning_rate": 1e-4}
        for step in range(1, 41)
    ]
    for step, better in ((10, 0.8), (20, 1.0), (30, 1.0), (40, 0.9)):
        held_out = {name: better * value for name, value in metrics.items()}
        loss = {"loss": 0.5, "task_loss": 0.5 + step / 100}
        steps.append({"step": step, "split": "validation", **loss, **held_out})
    write_lines(folder / "metrics.jsonl", steps)
    write_lines(folder / "predictions_validation.jsonl", lines)
    value = metrics[primary]
    score = {
        "task": task,
        "metrics": metrics,
        "intervals_95": {primary: [0.5 * value, 1.2 * value]},
        "seeds": [0],
        "examples": {"validation": len(lines)},
        "command": "python -m bert_jax.finetune",
    }
    write_json(folder / "score.json", score)
    return folder


def change(path: Path, **fields: Any) -> None:
    write_json(path, {**json.loads(path.read_text()), **fields})


def test_a_classifier(tmp_path: Path, read_page):
    text = read_page(write_run(tmp_path / "my run")).text
    assert "my run finishedA BERT of 2 layers of width 16, its top 2 layers alone," in text
    assert "fine-tuned on rte from base for 40 steps. It gets 75.0% of 8 held-out" in text
    assert "right (37.5% to 90.0%). Always saying “yes” would reach 62.5%, which is inside" in text
    assert "Accuracy75.0%62.5% by always saying “yes”" in text
    assert "Steps40the best model is that of step 20" in text
    assert "always saying “yes”: 62.5%" in text  # beside the curve
    assert "The ring marks the best, at step 20" in text
    assert "Held out, it was lowest at step 10 and has risen since" in text
    assert "no133.3%266.7%yes05100.0%" in text
    assert "no100.0%33.3%50.0%31" in text and "yes71.4%100.0%83.3%57" in text
    worst = text.index("text 6pair 6label no 4.0%, it said yes 96.0%dev.tsv:6")
    assert worst < text.index("text 7") and "text 5" not in text


def test_a_regression(tmp_path: Path, read_page):
    text = read_page(write_run(tmp_path / "run", "values")).text
    assert "Its Pearson’s correlation on 10 held-out examples is 1.000 (0.500 to 1.200)" in text
    assert "Always saying the same value would reach 0.000." in text
    assert "Each dot is an example" in text
    assert "text 9label 4.50, it said 3.00: 1.50 offdev:9" in text


@pytest.mark.parametrize("label", [1e99, -1e99, 0.0])
def test_values_of_any_size_are_drawn_or_not(tmp_path: Path, label: float, read_page):
    folder = write_run(tmp_path / "run", "values")
    line = {"text": "a", "label": label, "prediction": label}
    write_lines(folder / "predictions_validation.jsonl", [line])
    assert "Each dot is an example" in read_page(folder).text
    write_lines(folder / "predictions_validation.jsonl", [line, {**line, "label": -1e101}])
    assert "The values are too large to be drawn." in read_page(folder).text


def test_questions(tmp_path: Path, read_page):
    text = read_page(write_run(tmp_path / "run", "answers")).text
    assert "Its F1 on 4 held-out examples is 50.0 (25.0 to 60.0)" in text
    assert "no better than always saying that there is no answer, which reaches 50.0" in text
    assert "The text has the answer150.0%00%150.0%00%2" in text
    assert "The text has no answer150.0%–150.0%–2" in text
    assert "question 1?it said cow 40.0%; accepted: henq1" in text
    assert "question 3?it said x 40.0%; accepted: no answerq3" in text
    assert "question 0?" not in text and "question 2?" not in text


def test_tags(tmp_path: Path, read_page):
    reader = read_page(write_run(tmp_path / "run", "tags"))
    text = reader.text
    assert "PER50.0%50.0%50.0%22" in text and "LOC0%0%0%10" in text
    assert "all50.0%33.3%40.0%32" in text
    assert "2 of 5 tags wrong" in text
    assert '<span class="right">Ada<small>B-PER</small></span>' in reader.page
    assert '<span class="wrong">Rome<small><s>B-PER</s> B-LOC</small></span>' in reader.page


def test_a_run_without_a_score_says_how_far_it_is(tmp_path: Path, read_page):
    folder = write_run(tmp_path / "run")
    for name in ("score.json", "predictions_validation.jsonl"):
        (folder / name).unlink()
    assert "run no score yet" in read_page(folder).text
    change(folder / "run.json", steps=80, status="running")
    text = read_page(folder).text
    assert "run runningA BERT" in text and "for 40 of 80 steps so far" in text
    assert "Its best Accuracy so far is 75.0%, at step 20; its predictions come when" in text
    (folder / "metrics.jsonl").unlink()
    assert "No step is recorded yet. It has not been scored yet." in read_page(folder).text


def test_the_first_of_the_best_is_the_best(tmp_path: Path):
    run = read_finetuning_run(write_run(tmp_path / "run", "answers"))
    assert (run.primary, run.best_step) == ("f1", 20)
    (tmp_path / "run" / "score.json").unlink()
    assert read_finetuning_run(tmp_path / "run").primary == "f1"


@pytest.mark.usefixtures("no_drawing")
def test_further_splits_have_parts_and_scores_of_their_own(tmp_path: Path, read_page):
    folder = write_run(tmp_path / "run")
    (folder / "predictions_validation.jsonl").rename(folder / "predictions_validation_a.jsonl")
    write_lines(folder / "predictions_validation_b.jsonl", CLASS_LINES[:5])
    hidden = [{**line, "label": None} for line in CLASS_LINES]
    write_lines(folder / "predictions_test_a.jsonl", hidden)
    change(folder / "score.json", metrics={"accuracy": 0.75, "validation_b/accuracy": 0.99})
    text = read_page(folder).text
    assert "Accuracy, validation ahow much of what it says is right75.0%37.5% to 90.0%62.5%" in text
    assert "Accuracy, validation bhow much of what it says is right99.0%–100.0%" in text
    assert "Class by class · validation a" in text and "Class by class · validation b" in text
    assert "test a" not in text


@pytest.mark.usefixtures("no_drawing")
def test_many_classes_make_a_list_of_mistakes(tmp_path: Path, read_page):
    folder = write_run(tmp_path / "run")
    lines = [
        {"label": f"c{i % 500}", "prediction": f"c{i % 500 + (i % 7 == 0)}", "probabilities": {}}
        for i in range(2000)
    ]
    lines += [{"label": "c3", "prediction": "c9", "probabilities": {}}] * 4
    write_lines(folder / "predictions_validation.jsonl", lines)
    text = read_page(folder).text
    assert "the label isit saidhow oftenof this labelc3c9450.0%" in text
    assert "Of 500 classes, the 40 with the lowest F1" in text


_BAD = '"><script>alert(1)</script>&amp;'


def spoil(value: Any) -> Any:
    """Put text that would be markup wherever there is text."""
    if isinstance(value, dict):
        return {
            name if name in _KEYS else f"{name}{_BAD}": spoil(item) for name, item in value.items()
        }
    if isinstance(value, list):
        return [spoil(item) for item in value]
    return value + _BAD if isinstance(value, str) else value


_KEYS = {name for _, _, lines in KINDS.values() for line in lines for name in line}
_KEYS |= {"text", "probability"}


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("kind", KINDS)
def test_text_from_data_stays_text(tmp_path: Path, kind: str, read_page):
    folder = write_run(tmp_path / "run", kind)
    write_lines(folder / "predictions_validation.jsonl", spoil(KINDS[kind][2]))
    score = json.loads((folder / "score.json").read_text())
    change(folder / "score.json", metrics={**score["metrics"], _BAD: 1.0})
    change(folder / "run.json", task=f"{score['task']}{_BAD}", command=_BAD)
    change(folder / "config.json", init_from=_BAD)
    reader = read_page(folder)
    assert "script" not in reader.seen and reader.text.count("<script>") > 4


ODD = (None, True, -1, 1e308, 10**400, float("nan"), "x", "", [], [1, [None]], {}, {"a": {"b": 1}})


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_predictions_hold_there_is_a_page(tmp_path: Path, kind: str):
    folder = write_run(tmp_path / "run", kind)
    line = KINDS[kind][2][0]
    odd = [{**line, name: value} for name in line for value in ODD]
    short = [{other: line[other] for other in line if other != name} for name in line]
    for lines in ([line, *odd, *short], [line, {}], [{}]):
        write_lines(folder / "predictions_validation.jsonl", lines)
        write_report(folder)
    for value in odd:  # also as what the kind is told by
        write_lines(folder / "predictions_validation.jsonl", [value, line])
        write_report(folder)


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("name", ["score.json", "run.json", "config.json", "model.json"])
def test_whatever_the_other_files_hold_there_is_a_page(tmp_path: Path, name: str):
    folder = write_run(tmp_path / "run")
    whole = json.loads((folder / name).read_text())
    for key in whole:
        for value in ODD:
            write_json(folder / name, {**whole, key: value})
            write_report(folder)
            if isinstance(whole[key], dict):
                write_json(folder / name, {**whole, key: dict.fromkeys(whole[key], value)})
                write_report(folder)
    for text in ("", "[1]", '{"task":'):
        (folder / name).write_text(text)
        write_report(folder)
    (folder / name).unlink()
    assert "Class by class" in write_report(folder).read_text()


def test_a_damaged_line_is_named_and_the_rest_is_read(tmp_path: Path, read_page):
    folder = write_run(tmp_path / "run")
    with (folder / "predictions_validation.jsonl").open("a") as file:
        file.write('{"text": \n{"text": "cut sho')
    text = read_page(folder).text
    assert "predictions_validation.jsonl: line 9 is damaged and left out." in text
    assert "of 8 held-out examples" in text


@pytest.mark.parametrize("kind", KINDS)
def test_many_long_examples_make_a_small_page(tmp_path: Path, kind: str):
    folder = write_run(tmp_path / "run", kind)
    long = {"text": "word " * 4000, "text_pair": "a" * 9000, "question": "why " * 3000}
    long |= {"words": ["w" * 50] * 900, "tags": ["B-x"] * 900, "prediction": ["O"] * 900}
    lines = [
        {**line, **{name: value for name, value in long.items() if name in line}}
        for line in KINDS[kind][2]
    ]
    if kind != "tags":
        lines = [{**a, "prediction": b["prediction"]} for a in lines for b in KINDS[kind][2]]
    write_lines(folder / "predictions_validation.jsonl", lines * 40)
    page = write_report(folder).read_text()
    assert len(page.encode()) < 400_000
    assert kind == "tags" or "<details class=" in page


@pytest.mark.usefixtures("no_drawing")
def test_a_long_sentence_is_shown_around_its_first_wrong_tag(tmp_path: Path, read_page):
    folder = write_run(tmp_path / "run", "tags")
    tags, said = ["O"] * 200, ["O"] * 200
    tags[100] = "B-x"
    words = [f"w{i}" for i in range(200)]
    line = {"place": "dev:1", "words": words, "tags": tags, "prediction": said}
    write_lines(folder / "predictions_validation.jsonl", [line])
    text = read_page(folder).text
    assert "1 of 200 tags wrong; shown are words 93 to 152" in text
    assert "w92" in text and "w151" in text and "w91" not in text and "w152" not in text


def test_the_page_needs_nothing_else(tmp_path: Path, read_page):
    reader = read_page(write_run(tmp_path / "run"))
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(reader.seen)
    assert re.findall(r'(?:src|href|action)="(?!#)', reader.page) == []
    ids = re.findall(r' id="([^"]+)"', reader.page)
    assert len(ids) == len(set(ids))
