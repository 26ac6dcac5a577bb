"""Runs beside each other: what differs, what is better, and what cannot be compared."""

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.report.__main__ import main
from bert_jax.report.comparison import curves
from bert_jax.report.comparison.drawing import SettingLines, draw_settings, mean_series
from bert_jax.report.comparison.graded import read_graded
from bert_jax.report.comparison.page import mean_interval
from bert_jax.report.comparison.runs import read_comparison
from bert_jax.report.comparison.verdict import judge
from bert_jax.report.markup import Markup, element
from bert_jax.report.run import Series
from bert_jax.tasks.answers import AnswerConfig
from bert_jax.tasks.examples import Answer, Example, Question, TaggedSentence
from bert_jax.tasks.question_task import question_task
from bert_jax.tasks.reading import TaskData
from bert_jax.tasks.sentence_task import sentence_task
from bert_jax.tasks.squad import SquadReport
from bert_jax.tasks.table import Columns, TaskRow
from bert_jax.tasks.tagging_task import tagging_task
from bert_jax.tasks.windows import WindowConfig

TOKENIZER = WordPiece([*SPECIAL_TOKENS, *"abcdefgh"], lower_case=True)
ROWS = 300


def write_lines(path: Path, lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_finetuning(
    folder: Path, *, seed: int = 0, rate: float = 1e-4, wrong: set[int] = frozenset(), rows=ROWS
) -> Path:
    """Write a finished run that has those rows wrong."""
    folder.mkdir(parents=True)
    config = {"task": "rte", "seed": seed, "optimizer": {"learning_rate": rate, "name": "adamw"}}
    (folder / "config.json").write_text(json.dumps(config))
    info = {"task": "rte", "status": "finished", "steps": 40, "data_fingerprint": "d"}
    (folder / "run.json").write_text(json.dumps(info))
    accuracy = 1 - len(wrong) / rows
    score = {"task": "rte", "metrics": {"accuracy": accuracy}, "intervals_95": {"accuracy": [0, 1]}}
    (folder / "score.json").write_text(json.dumps(score))
    lines = [{"step": s, "split": "train", "loss": 1 / s} for s in range(1, 41)]
    lines += [{"step": s, "split": "validation", "accuracy": accuracy} for s in (20, 40)]
    write_lines(folder / "metrics.jsonl", lines)
    predictions = [
        {
            "place": f"{folder}:{i}",
            "text": f"row {i}",
            "label": "ab"[i % 2],
            "prediction": "ab"[(i + (i in wrong)) % 2],
            "probabilities": {"a": 0.5, "b": 0.5},
        }
        for i in range(rows)
    ]
    write_lines(folder / "predictions_validation.jsonl", predictions)
    return folder


def write_pretraining(folder: Path, loss: float, *, seed: int, steps: int = 100, corpus="c"):
    folder.mkdir(parents=True)
    config = {"seed": seed, "train": {"steps": steps}}
    (folder / "config.json").write_text(json.dumps(config))
    info = {"status": "finished", "corpus_fingerprint": corpus}
    (folder / "run.json").write_text(json.dumps(info))
    lines = [{"step": 100, "split": "validation", "mlm_loss": loss, "mlm_hidden_accuracy": 0.2}]
    lines += [{"step": s, "split": "train", "mlm_loss": loss, "learning_rate": 1} for s in (50, 99)]
    write_lines(folder / "metrics.jsonl", lines)
    return folder


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is drawn, by description, in place of figures."""
    seen: dict[str, Any] = {}

    def note(content: Any, *, description: str, **_: object) -> Markup:
        seen[description] = content
        return element("svg", description)

    monkeypatch.setattr(curves, "draw_settings", note)
    return seen


def text_of(page: Path) -> str:
    body = re.sub(r"<style>.*?</style>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


def test_settings_are_compared_over_seeds_and_rows(tmp_path: Path, drawn, capsys):
    # The slow rate has 60 rows wrong and the fast 30, of these 10 its own.
    slow = [
        write_finetuning(tmp_path / "slow" / f"seed_{s}", seed=s, rate=1e-5, wrong={*range(60 + s)})
        for s in range(2)
    ]
    (tmp_path / "slow" / "config.json").write_text(json.dumps({"task": "rte", "num_seeds": 2}))
    wrong = {*range(20), *range(100, 110)}
    fast = write_finetuning(tmp_path / "<b>fast", rate=3e-4, wrong=wrong)
    (fast / "report.html").write_text("a page")
    page = tmp_path / "pages" / "page.html"
    page.parent.mkdir()
    assert main([str(slow[0].parent), str(fast), f"--output={page}"]) == 0
    words, path = capsys.readouterr().out.splitlines()
    assert path == str(page), words
    found = re.fullmatch(
        r"<b>fast is better than slow: Accuracy \+10\.2 points, 95% interval (\d\.\d) to "
        r"(1\d\.\d), the same 300 rows, means of 1 and 2 seeds, p < 0\.001\.",
        words,
    )
    assert found, words
    # 40.5 rows that only the fast one has right, 10 that only the slow one has: McNemar's error.
    error = 100 * (50.5 - 30.5**2 / ROWS) ** 0.5 / ROWS
    assert float(found[1]) == pytest.approx(10.17 - 1.96 * error, abs=0.5)
    assert float(found[2]) == pytest.approx(10.17 + 1.96 * error, abs=0.5)
    text, source = text_of(page), page.read_text()
    assert words in text and "<b>fast" not in source
    assert "Fine-tuning on rte: 2 settings in 3 runs. They differ in learning_rate." in text
    assert "optimizer.learning_rate 1e-5 0.0003" in text
    # Of 0.8 and 0.7967 the mean, and Student's t of one degree of freedom: 12.7 errors.
    assert "slow 2 of 2 79.8% 77.7% to 82.0% <b>fast 1 of 1 90.0%" in text
    assert "<b>fast <b>fast finished 40 90.0% 90.0% at 20" in text
    assert 'href="../%3Cb%3Efast/report.html"' in source
    held_out = drawn["Accuracy, held out by step"]
    assert [(lines.place, len(lines.series)) for lines in held_out] == [(0, 2), (1, 1)]


def test_what_cannot_be_told_is_not(tmp_path: Path):
    a = write_finetuning(tmp_path / "a", wrong={*range(30)})
    b = write_finetuning(tmp_path / "b", wrong={*range(2, 34)}, rate=1e-5)
    (verdict,) = judge(read_comparison([a, b]))
    assert verdict.difference and not verdict.difference.told_apart
    assert re.fullmatch(
        r"No difference can be told between a and b: Accuracy −0\.7 points for b, 95% interval "
        r"−\d\.\d to \d\.\d, the same 300 rows, p 0\.\d{3}\.",
        verdict.words,
    )


def test_other_rows_are_refused(tmp_path: Path, capsys):
    a = write_finetuning(tmp_path / "a")
    for name, change, what in (
        ("shorter", lambda lines: lines[:-1], "300 rows against 299"),
        ("turned", lambda lines: lines[::-1], "the same rows in another order"),
        ("relabelled", lambda lines: [*lines[:6], lines[6].replace('"a"', '"b"', 1), *lines[7:]],
         "row 7 is another"),
    ):  # fmt: skip
        b = write_finetuning(tmp_path / name)
        path = b / "predictions_validation.jsonl"
        path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
        assert main([str(a), str(b), f"--output={tmp_path / 'page.html'}"]) == 3
        error = capsys.readouterr().err
        assert f"a and {name} did not predict the same rows of validation: {what};" in error
    assert not (tmp_path / "page.html").exists()


def test_pretraining_is_compared_by_seeds(tmp_path: Path, drawn, capsys):
    short = [write_pretraining(tmp_path / f"short_{s}", 5 + 0.01 * s, seed=s) for s in range(3)]
    long = [
        write_pretraining(tmp_path / f"long_{s}", 4 + 0.01 * s, seed=s, steps=200) for s in range(3)
    ]
    page = tmp_path / "page.html"
    assert main([*map(str, [*short, *long]), f"--output={page}"]) == 0
    # The standard error of the difference is 0.01 * sqrt(2 / 3), and t of four degrees 2.776.
    assert capsys.readouterr().out.splitlines()[0] == (
        "long is better than short: Loss of masked words −1.0000, 95% interval −1.0227 to −0.9773, "
        "means of 3 and 3 seeds, p < 0.001."
    )
    text = text_of(page)
    assert "short 3 of 3 5.0100 4.9852 to 5.0348" in text and "train.steps 100 200" in text
    assert set(drawn) == {
        "Loss of masked words, held out by step",
        "Accuracy on words shown as [MASK], held out by step",
        "Loss of masked words, training batches by step",
        "Learning rate by step",
    }
    other = write_pretraining(tmp_path / "other", 3, seed=0, corpus="another")
    comparison = read_comparison([short[0], other])
    assert not comparison.same_data and "(data)" in comparison.fields
    (verdict,) = judge(comparison)
    assert "Without two seeds of each, nobody can say" in verdict.words


def test_what_is_no_comparison_is_said(tmp_path: Path, capsys):
    a = write_finetuning(tmp_path / "a")
    b = write_pretraining(tmp_path / "b", 3, seed=0)
    (tmp_path / "empty").mkdir()
    page = f"--output={tmp_path / 'page.html'}"
    for runs, code, what in (
        ([a, b], 3, "a: rte; "),
        ([a, tmp_path / "empty"], 3, "empty: not a run"),
        ([a, a], 3, "one run alone cannot be compared"),
        ([a], 2, "the page of one run stands in its folder"),
    ):
        assert main([*map(str, runs), page]) == code
        error = capsys.readouterr().err
        assert what in error and error.count("\n") == 1
    (a / "score.json").unlink()
    (a / "predictions_validation.jsonl").unlink()
    (verdict,) = judge(read_comparison([a, write_finetuning(tmp_path / "c", rate=1)]))
    assert verdict.words == "a and c have no predictions of the same split yet."


def test_names_tell_runs_apart(tmp_path: Path):
    folders = [
        write_pretraining(tmp_path / x / "run", 3, seed=0, steps=i) for i, x in enumerate("ab")
    ]
    assert list(read_comparison(folders).settings) == ["a/run", "b/run"]


def sentences(head: str, metrics, labels, values):
    row = TaskRow("own", head, metrics, labels, columns=Columns("text", None, "label"))
    examples = [Example(f"dev:{i}", "a b", None, value) for i, value in enumerate(values)]
    return sentence_task(
        TaskData(row, {"train": examples, "validation": examples}, ()), TOKENIZER, 8
    )


def questions():
    context = "a b c d e f g h"
    found = [
        Question(str(i), "a b", context, (Answer(x, context.index(x)),) if x else (), not x)
        for i, x in enumerate(["b c", "", "e f", "h", "", "c d e", "g"])
    ]
    splits = {"train": found, "validation": found}
    return question_task(
        "squad2",
        "squad2",
        splits,
        {split: SquadReport() for split in splits},
        TOKENIZER,
        WindowConfig(16, 4, 4),
        AnswerConfig(may_be_impossible=True),
    )


def tagged(draw: np.random.Generator):
    tags = [tuple(draw.choice(["O", "B-x", "B-y"], draw.integers(1, 6))) for _ in range(30)]
    found = [TaggedSentence(str(i), ["a"] * len(t), t) for i, t in enumerate(tags)]
    splits = {"train": found, "validation": found}
    return tagging_task("tags", "tagging", splits, (), TOKENIZER, 16)


@pytest.mark.parametrize("kind", ["classification", "regression", "questions", "tags"])
def test_rows_are_scored_as_the_task_scores_them(tmp_path: Path, kind: str):
    draw = np.random.default_rng(0)
    if kind == "classification":
        metrics, labels = ("accuracy", "f1", "macro_f1", "matthews"), ("b", "z", "a")
        task = sentences(kind, metrics, labels, draw.choice(labels, 60).tolist())
    elif kind == "regression":
        task = sentences(kind, ("pearson", "spearman"), None, draw.normal(size=60).tolist())
    else:
        task = questions() if kind == "questions" else tagged(draw)
    rows = task.features["validation"].input_ids
    if kind in ("classification", "regression"):
        scores = list(draw.normal(size=(len(rows), 3 if kind == "classification" else 1)))
    else:
        width = 2 if kind == "questions" else len(task.labels)
        scores = [draw.normal(size=(len(ids), width)).astype(np.float32) for ids in rows]
    path = write_lines(tmp_path / "predictions.jsonl", task.predictions("validation", scores))
    graded = read_graded(path, task.name, [])
    assert graded is not None
    everything = np.arange(len(graded.rows))
    wanted = task.score("validation", scores)
    assert graded.scores.keys() <= wanted.keys()
    for name, score in graded.scores.items():
        assert score(everything) == pytest.approx(wanted[name], abs=1e-7), name
    assert len(graded.rows) == len(task.features["validation"].input_ids)


def test_curves_are_drawn_with_their_mean():
    first, second = Series((1, 2, 4), (1.0, 2.0, 3.0)), Series((2, 4, 5), (4.0, 5.0, 6.0))
    assert mean_series([first, second]) == Series((2, 4), (3.0, 4.0))
    svg = draw_settings(
        [SettingLines(0, (first, second)), SettingLines(9, (second,))], key="k", description="d"
    )
    assert svg.count("var(--setting-0)") >= 3 and "var(--setting-1)" in svg
    assert "stroke-dasharray" in svg


def test_an_interval_is_students():
    low, high = mean_interval([1.0, 2.0, 3.0])
    assert (low, high) == (
        pytest.approx(2 - 4.303 / 3**0.5, abs=1e-3),
        pytest.approx(4.484, abs=1e-3),
    )
