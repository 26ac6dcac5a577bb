"""The page of a sweep: right figures, the right order, whatever is missing."""

import html
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bert_jax.errors import DataError
from bert_jax.report.markup import Markup, element
from bert_jax.report.sweep import panels
from bert_jax.report.sweep.drawing import Point, draw_panel
from bert_jax.report.sweep.folder import SearchedRange, read_sweep
from bert_jax.report.sweep.page import write_page
from bert_jax.report.sweep.ranking import rank

RATES, SEEDS = (1e-5, 3e-5, 1e-4), (0, 1, 2)
NORMALIZATIONS = ("post", "pre")
FIELDS = ("optimizer.learning_rate", "model.normalization", "seed")


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def accuracy_of(rate: float, normalization: str, seed: int) -> float:
    """Best at 3e-5 and after "post"; seeds are 0.01 apart."""
    off = abs(math.log10(rate / 3e-5))
    return 0.9 - 0.2 * off - 0.05 * (normalization == "pre") + 0.01 * (seed - 1)


def name_of(rate: float, normalization: str, seed: int) -> str:
    return f"learning_rate={rate},normalization={normalization},seed={seed}"


def write_run(folder: Path, accuracy: float) -> None:
    """Write a finished fine-tuning run of 40 steps."""
    write_json(folder / "config.json", {"task": "rte"})
    write_json(folder / "run.json", {"task": "rte", "status": "finished", "steps": 40})
    lines: list[dict[str, Any]] = [
        {"step": step, "split": "train", "loss": 0.7 * (1 - accuracy * step / 60)}
        for step in range(1, 41)
    ]
    for step in (10, 20, 30, 40):
        lines.append(
            {"step": step, "split": "validation", "accuracy": accuracy * (0.8 + step / 200)}
        )
    write_lines(folder / "metrics.jsonl", lines)
    score = {"task": "rte", "metrics": {"accuracy": accuracy}, "intervals_95": {"accuracy": [0, 1]}}
    write_json(folder / "score.json", score)


def write_sweep(folder: Path) -> Path:
    """Write 18 finished runs: three rates, two normalizations, three seeds."""
    runs = {}
    for rate in RATES:
        for normalization in NORMALIZATIONS:
            for seed in SEEDS:
                name = name_of(rate, normalization, seed)
                overrides = dict(zip(FIELDS, (rate, normalization, seed), strict=True))
                runs[name] = {
                    "overrides": overrides,
                    "command": ["python", "-m", "go", f"--name={name}", "--labels=(1, 2)"],
                }
                write_run(folder / name, accuracy_of(rate, normalization, seed))
    plan = {"verb": "finetune", "fields": FIELDS, "values": {"task": "rte"}, "runs": runs}
    write_json(folder / "sweep.json", plan)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a finished sweep."""
    return write_sweep(tmp_path / "my sweep")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is drawn, by description, in place of figures, which take most of a page's time."""
    seen: dict[str, Any] = {}

    def note(content: Any, *, description: str, **_: object) -> Markup:
        seen[description] = content
        return element("svg", description)

    monkeypatch.setattr(panels, "draw_panel", note)
    monkeypatch.setattr(panels, "draw_overlaid", note)
    return seen


def page_of(folder: Path, metric: str = "") -> tuple[str, str]:
    """Write a page; return it and its text."""
    page = write_page(folder, metric).read_text(encoding="utf-8")
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return page, html.unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


BEST = name_of(3e-5, "post", 2)


def test_a_sweep_says_what_is_best_and_by_how_much(folder: Path, drawn):
    page, text = page_of(folder)
    assert (
        "18 fine-tuning runs on rte that differ in learning_rate, normalization and seed." in text
    )
    # Seeds are 0.01 apart: the standard error of three is 0.01 / sqrt(3).
    assert (
        "The best setting, learning_rate 3e-5 and normalization post, reaches 90.0% ± 0.6% " in text
    )
    assert "(Accuracy, mean of 3 seeds)." in text
    assert "Others as good 0 of 5 within two standard errors of the best" in text
    command = f"python -m go \\\n    --name={BEST} \\\n    '--labels=(1, 2)'"
    assert command in html.unescape(page) and "the best of its seeds" in text
    settings = text[text.index("two settings that are less than two") :]
    assert "1 90.0% ± 0.6% 3 of 3 3e-5 post 2 85.0% ± 0.6% 3 of 3 3e-5 pre 3 80.5%" in settings
    assert (
        f"{BEST} finished 91.0% 3e-5 post 2 {name_of(3e-5, 'post', 1)} finished 90.0%" in settings
    )


def test_every_field_has_a_panel_with_a_dot_for_each_run(folder: Path, drawn):
    _, text = page_of(folder)
    fields = [text for text in drawn if " by step" not in text]
    assert fields == [f"Accuracy by {field}" for field in FIELDS]
    for field in FIELDS:
        points = drawn[f"Accuracy by {field}"]
        assert len(points) == 18 and sum(point.marked for point in points) == 3
        assert max(point.metric for point in points) == pytest.approx(0.91)
    assert {point.value for point in drawn["Accuracy by optimizer.learning_rate"]} == set(RATES)
    post = [p.metric for p in drawn["Accuracy by model.normalization"] if p.value == 1]
    assert sorted(post) == sorted(accuracy_of(rate, "post", s) for rate in RATES for s in SEEDS)
    assert "1 is post; 2 is pre." in text


def test_the_curves_of_all_runs_lie_over_each_other(folder: Path, drawn):
    page_of(folder)
    held_out = drawn["Accuracy, held out by step, a line for each run"]
    assert len(held_out) == 18 and sum(marked for _, marked in held_out) == 3
    assert held_out[0][0].steps == (10, 20, 30, 40)
    assert len(drawn["Training loss by step, a line for each run"][0][0]) == 40


def test_figures_stand_in_the_page(folder: Path):
    page, _ = page_of(folder)
    assert page.count("<svg") == 5 and "<script" not in page
    assert 'aria-label="Accuracy by seed"' in page


def test_each_run_with_a_page_is_linked(folder: Path, drawn):
    (folder / BEST / "report.html").write_text("a page")
    page, _ = page_of(folder)
    (link,) = re.findall(r'<a href="([^"]+)">', page)
    assert (folder / unquote(link)).read_text() == "a page"


def test_a_run_that_failed_or_goes_on_is_told(folder: Path, drawn):
    for name, files in {
        name_of(1e-5, "pre", 0): {"outcome.json": {"code": 6, "error": "<b>not</b> finite"}},
        name_of(1e-5, "pre", 1): {"run.json": {"task": "rte", "status": "running", "steps": 80}},
    }.items():
        (folder / name / "score.json").unlink()
        write_json(folder / name / "run.json", {"task": "rte", "steps": 80})
        for file, value in files.items():
            write_json(folder / name / file, value)
    page, text = page_of(folder)
    assert "16 of 18 runs finished" in text and "of 18; 1 failed" in text
    assert f"{name_of(1e-5, 'pre', 0)} failed. <b>not</b> finite" in text
    assert "<b>not</b>" not in page
    assert "– 1 of 3 1e-5 pre" in text
    assert len(drawn["Accuracy by seed"]) == 16
    shares = {trial.name: trial.share for trial in read_sweep(folder).trials}
    assert shares[name_of(1e-5, "pre", 1)] == 0.5 and shares[BEST] == 1.0


def test_one_run_a_setting_is_called_what_it_is(folder: Path, drawn):
    plan = json.loads((folder / "sweep.json").read_text())
    plan["runs"] = {k: v for k, v in plan["runs"].items() if k.endswith("seed=0")}
    write_json(folder / "sweep.json", plan)
    _, text = page_of(folder)
    assert "Each setting has been run once. The seed alone moves a score" in text
    assert "post, reaches 89.0% (Accuracy)." in text
    assert "Others as good" not in text and "std. error" not in text
    assert "Accuracy by seed" not in drawn


def test_nothing_has_begun(folder: Path, drawn):
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    _, text = page_of(folder)
    assert "None has finished yet." in text and "0 of 18 runs finished" in text and not drawn


@pytest.mark.parametrize("value", [None, 1, "x", [1], {"a": None}, {"a": {"overrides": 3}}])
@pytest.mark.parametrize("field", ["verb", "fields", "values", "runs", "space"])
def test_whatever_the_plan_holds_there_is_a_page(folder: Path, drawn, field: str, value: Any):
    plan = json.loads((folder / "sweep.json").read_text())
    write_json(folder / "sweep.json", {**plan, field: value})
    assert "runs" in page_of(folder)[1]


@pytest.mark.parametrize("count", [13, 40])
def test_many_values_of_a_field_are_drawn_where_they_are(folder: Path, count: int):
    runs = {}
    for number in range(count):
        rate = 1e-5 * 1.3**number
        runs[f"run{number}"] = {"overrides": {"optimizer.learning_rate": rate, "seed": 0}}
        write_run(folder / f"run{number}", 0.5 + number / 100)
    plan = {"verb": "finetune", "fields": FIELDS, "values": {}, "runs": runs}
    write_json(folder / "sweep.json", plan)
    page, text = page_of(folder)
    assert page.count("<svg") == 3
    assert rank(read_sweep(folder)).settings[0].mean == pytest.approx(0.5 + (count - 1) / 100)


def test_values_of_a_searched_range_stand_where_they_are(folder: Path, monkeypatch):
    """Few values too, which side by side would be told apart by their order alone."""
    plan = json.loads((folder / "sweep.json").read_text())
    space = {
        "optimizer.learning_rate": {"low": 1e-6, "high": 1e-3, "log": True},
        "model.normalization": {"values": ["post", "pre"]},
        "seed": {"low": 0, "high": 9, "log": False},
    }
    write_json(folder / "sweep.json", {**plan, "space": space})
    scales = {}

    def note(points: Any, *, description: str, searched: Any, **_: object) -> Markup:
        scales[description.removeprefix("Accuracy by ")] = searched
        return element("svg", description)

    monkeypatch.setattr(panels, "draw_panel", note)
    page_of(folder)
    assert scales == {
        "optimizer.learning_rate": SearchedRange(1e-6, 1e-3, log=True),
        "model.normalization": None,
        "seed": SearchedRange(0, 9, log=False),
    }


@pytest.mark.parametrize(
    ("values", "searched", "words"),
    [
        ((1.3e-5, 3e-5, 0.002), None, ["1.3e-5", "3e-5", "0.002"]),
        ((1.3e-5, 3e-5, 0.002), (1e-5, 1e-2, True), ["1e-5", "0.0001", "0.001", "0.01"]),
        ((1.1e-4, 1.2e-4), (1e-4, 1e-3, True), ["0.0001", "0.0002", "0.0005", "0.001"]),
        ((1.1e-4, 1.2e-4), (1e-4, 2e-4, True), ["0.0001", "0.00012", "0.0002"]),
        ((0.02, 0.3), (0, 0.5, False), ["0", "0.1", "0.5"]),
        ((0.02, 0.7), (0, 0.5, False), ["0", "0.2", "0.6"]),  # one is of an earlier grid
        ((-1.0, 100.0), (1, 100, True), ["0", "100"]),
    ],
)
def test_an_axis_tells_what_a_value_is(values, searched, words):
    points = [Point(value, 0.5 + value, False) for value in values]
    span = SearchedRange(*searched) if searched else None
    svg = draw_panel(points, limits=(0, 1), key="key", description="", searched=span)
    texts = re.findall(r">([^<>]+)</text>", str(svg))
    assert [word for word in words if word not in texts] == []


def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"not a sweep: it has no sweep\.json"):
        write_page(tmp_path)


def test_a_field_that_is_the_same_in_all_runs_is_not_what_they_differ_in(folder, drawn):
    plan = json.loads((folder / "sweep.json").read_text())
    plan["fields"] = ["train.batch_size", *plan["fields"]]
    for run in plan["runs"].values():
        run["overrides"]["train.batch_size"] = 16
    write_json(folder / "sweep.json", plan)
    _, text = page_of(folder)
    before_the_runs, of_all_runs = text.split("All 18 runs")
    assert "differ in learning_rate, normalization and seed." in before_the_runs
    assert "batch_size" not in before_the_runs and "batch_size" in of_all_runs
