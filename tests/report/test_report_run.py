"""Reading a run's folder, also one that is cut short, damaged or half empty."""

import json
from pathlib import Path

import pytest

from bert_jax.errors import DataError
from bert_jax.report.corpus import read_corpus
from bert_jax.report.run import read_run


def _lines(folder: Path, *lines: str) -> Path:
    folder.mkdir()
    (folder / "metrics.jsonl").write_bytes("\n".join(lines).encode())
    return folder


def test_everything_of_a_finished_run_is_read(run_folder: Path):
    run = read_run(run_folder)
    assert run.problems == ()
    assert (run.status, run.num_parameters, run.last_step) == ("finished", 987_654, 1900)
    assert len(run.series("train", "loss")) == 190
    assert run.series("validation", "mlm_loss").steps[-1] == 1900
    assert run.setting("optimizer.learning_rate") == 0.003
    assert run.setting("optimizer.no.such") is None
    assert len(run.evaluations) == 20
    assert run.evaluations[-1].sentences[1].masks[1].answer == "created"
    assert run.parameters[0].shape == (128, 128)
    assert run.pairs["validation"].is_next_share == 0.531
    assert run.corpus is not None and run.corpus.held_out is run.corpus.splits["validation"]


@pytest.mark.parametrize(
    ("phases", "share", "start"),
    [
        ({"long": 600}, 0.4, 1300),
        ({"long": 700, "longest": 100}, 0.3, 1800),
        ({"long": 500, "longest": 0}, 0.4, 1400),  # the last has not begun at step 1900
        ({"../long": 600}, 0.531, 1300),  # leads out of the folder
        ({}, 0.531, 0),
    ],
)
def test_pairs_are_those_of_the_phase_that_a_run_stands_in(run_folder: Path, phases, share, start):
    config = json.loads((run_folder / "config.json").read_text())
    config["train"]["steps"] = 1900
    config["phases"] = {name: {"steps": steps} for name, steps in phases.items()}
    (run_folder / "config.json").write_text(json.dumps(config))
    for name, found in (("long", 0.4), ("longest", 0.3)):
        pairs = {"validation": {"is_next_share": found}}
        (run_folder / f"pairs.{name}.json").write_text(json.dumps(pairs))
    run = read_run(run_folder)
    assert run.problems == ()
    assert (run.pairs["validation"].is_next_share, run.phase_start) == (share, start)


def test_a_last_line_cut_short_is_left_out_in_silence(tmp_path: Path):
    run = read_run(_lines(tmp_path / "r", '{"step": 1, "split": "train", "loss": 2}', '{"step": 2'))
    assert run.series("train", "loss").values == (2.0,)
    assert run.problems == ()


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path):
    folder = _lines(tmp_path / "r", '{"step": 1', '{"step": 2, "split": "train", "loss": 2}', "")
    run = read_run(folder)
    assert run.series("train", "loss").steps == (2,)
    assert run.problems == ("metrics.jsonl: line 1 is damaged and left out.",)


def test_the_later_line_of_a_step_wins_and_steps_rise(tmp_path: Path):
    lines = [{"step": s, "split": "train", "loss": v} for s, v in ((1, 9), (3, 7), (2, 8), (3, 6))]
    run = read_run(_lines(tmp_path / "r", *map(json.dumps, lines), ""))
    assert run.series("train", "loss").steps == (1, 2, 3)
    assert run.series("train", "loss").values == (9, 8, 6)


def test_values_that_are_not_finite_are_counted_and_left_out(tmp_path: Path):
    lines = ('{"step": 1, "split": "train", "loss": NaN, "grad_norm": Infinity}', "")
    run = read_run(_lines(tmp_path / "r", *lines))
    assert not run.series("train", "loss")
    assert run.last_step == 1
    assert "2 values are not finite" in run.problems[0]


def test_a_damaged_optional_file_is_left_out_with_its_name(run_folder: Path):
    (run_folder / "parameters.json").write_text('[{"path":')
    run = read_run(run_folder)
    assert run.parameters == ()
    assert run.problems[0].startswith("parameters.json cannot be read")


def test_a_corpus_that_is_gone_is_told(run_folder: Path):
    information = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps({**information, "corpus": "../elsewhere"}))
    run = read_run(run_folder)
    assert run.corpus is None
    assert "elsewhere is not there" in run.problems[0]


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, make: bool):
    if make:
        (tmp_path / "r").mkdir()
    with pytest.raises(DataError, match="not a run" if make else "no such folder"):
        read_run(tmp_path / "r")


def test_the_corpus_is_read_as_preparation_writes_it(run_folder: Path):
    problems: list[str] = []
    corpus = read_corpus(run_folder.parent / "corpus", problems)
    assert corpus is not None and problems == []
    assert corpus.splits["train"].most_frequent_token == "the"  # from its id
    assert corpus.sentence_lengths is not None
    assert corpus.sentence_lengths.at_least == (1, 5, 10, 20, 40, 80, 160, 320)  # no empty end
    assert sum(corpus.sentence_lengths.counts) == 99_080
    assert [(t.what, t.count, t.unit) for t in corpus.left_out] == [
        ("no text left", 118, "documents"),
        ("invalid UTF-8", 2, "documents"),
        ("a binary file", 1, "files"),
    ]


def test_baselines_come_from_train_where_nothing_is_held_out(run_folder: Path):
    path = run_folder.parent / "corpus" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["splits"]["validation"]["tokens"] = 0
    path.write_text(json.dumps(manifest))
    corpus = read_corpus(path.parent, [])
    assert corpus is not None and corpus.held_out is corpus.splits["train"]
