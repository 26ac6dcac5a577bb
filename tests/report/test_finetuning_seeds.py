"""The page of several seeds: side by side, with a way to the page of each."""

import json
from pathlib import Path
from typing import Any

import pytest

METRICS = {"0": {"f1": 0.5, "f1_x": 0.2}, "1": {"f1": 0.7, "f1_x": 0.4}, "10": {"f1": 0.6}}


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of three finished seeds."""
    folder = tmp_path / "three"
    for seed, metrics in METRICS.items():
        write_json(folder / f"seed_{seed}" / "run.json", {"task": "mine", "command": "go"})
        write_json(folder / f"seed_{seed}" / "score.json", {"task": "mine", "metrics": metrics})
    score = {
        "task": "mine",
        "metrics": {"f1": 0.6, "f1_x": 0.3},
        "standard_errors": {"f1": 0.0577, "f1_x": 0.1},
        "medians": {"f1": 0.61, "f1_x": 0.31},
        "median_intervals_95": {"f1": [0.5, 0.7]},
        "failed": {"0": "f1 0.5 is no more than <b>"},
        "seeds": [0, 1, 10],
        "by_seed": METRICS,
        "command": "python -m bert_jax.finetune --config.num_seeds=3",
    }
    write_json(folder / "score.json", score)
    return folder


def test_seeds_stand_side_by_side_with_their_mean(folder: Path, read_page):
    reader = read_page(folder)
    text = reader.text
    assert "three finishedA BERT fine-tuned on mine with 3 seeds." in text
    assert "1 of them failed" in text and "seed 0: f1 0.5 is no more than <b>" in text
    assert "F10.600± 0.058" in text
    assert "seed 0 (failed)0.5000.200seed 10.7000.400seed 100.600–mean0.6000.300" in text
    assert "standard error0.0580.100median0.6100.310its 95% interval0.500 to 0.700–" in text
    assert "--config.num_seeds=3" in text
    # A curve for the score, none for that of a type of entity.
    assert reader.page.count("<svg") == 1 and reader.page.count("<use") >= 3


def test_each_seed_gets_its_page_and_a_link_to_it(folder: Path, read_page):
    (folder / "seed_1" / "run.json").unlink()
    page = read_page(folder).page
    for seed in METRICS:
        linked = f'<a href="seed_{seed}/report.html">' in page
        assert linked == (folder / f"seed_{seed}" / "report.html").is_file() == (seed != "1")


@pytest.mark.usefixtures("no_drawing")
def test_seeds_that_are_not_finished_are_counted(folder: Path, read_page):
    (folder / "score.json").unlink()
    write_json(folder / "config.json", {"task": "mine", "num_seeds": 5})
    (folder / "seed_10" / "score.json").unlink()
    text = read_page(folder).text
    assert "2 of 5 seeds" in text and "fine-tuned on mine with 5 seeds" in text
    assert "seed 10 (no score yet)––mean0.6000.300standard error0.1000.100" in text
    assert "median0.6000.300its 95% interval––" in text and "failed" not in text
    write_json(folder / "seed_10" / "run.json", {"status": "failed", "error": "all is NaN"})
    text = read_page(folder).text
    assert "3 of 5 seeds" in text and "seed 10 (failed)––" in text
    assert "seed 10: all is NaN" in text


@pytest.mark.usefixtures("no_drawing")
def test_seeds_that_have_just_begun(tmp_path: Path, read_page):
    (tmp_path / "run" / "seed_0").mkdir(parents=True)
    text = read_page(tmp_path / "run").text
    assert "0 of 1 seeds" in text and "None has been scored yet" in text
    assert "seed 0 (no score yet)" in text and "mean" not in text


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize(
    "field",
    [
        *("metrics", "standard_errors", "by_seed", "task", "command"),
        *("medians", "median_intervals_95", "failed"),
    ],
)
@pytest.mark.parametrize("value", [None, 1, "x", [1], {"f1": None}, {"0": 1}, {"0": {"f1": "x"}}])
def test_whatever_the_score_holds_there_is_a_page(folder: Path, read_page, field: str, value):
    score = json.loads((folder / "score.json").read_text())
    write_json(folder / "score.json", {**score, field: value})
    assert "Seed by seed" in read_page(folder).text
