"""Logs that continue where a run continues."""

import json

import pytest

from bert_jax.training.records import Records


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def logged(tmp_path):
    records = Records(tmp_path, 0)
    for step in (4, 8, 12):
        records.metrics(step, "train", {"loss": step / 8})
        records.samples(step, [{"text": "é [MASK]"}])
    records.note(12, "something")
    records.sync()
    records.close()
    return tmp_path


def test_lines_come_back_as_they_were_written(logged):
    assert lines(logged / "metrics.jsonl")[1] == {"step": 8, "split": "train", "loss": 1.0}
    assert lines(logged / "samples.jsonl")[0] == {"step": 4, "sentences": [{"text": "é [MASK]"}]}
    assert lines(logged / "notes.jsonl") == [{"step": 12, "text": "something"}]


@pytest.mark.parametrize(("step", "kept"), [(3, []), (8, [4, 8]), (11, [4, 8]), (12, [4, 8, 12])])
def test_what_lies_behind_the_step_of_a_continued_run_is_cut_off(logged, step, kept):
    Records(logged, step).close()
    assert [line["step"] for line in lines(logged / "metrics.jsonl")] == kept
    assert [line["step"] for line in lines(logged / "samples.jsonl")] == kept
    assert len(lines(logged / "notes.jsonl")) == (step >= 12)


@pytest.mark.parametrize(
    "half", ['{"step": 3, "spl', '{"step": 3}', "[1]\n", "\n", '{"loss": 1}\n']
)
def test_a_line_that_a_kill_cut_short_is_removed(logged, half):
    path = logged / "metrics.jsonl"
    before = path.read_bytes()
    path.write_bytes(before + half.encode())
    Records(logged, 12).close()
    assert path.read_bytes() == before


def test_lines_written_after_a_cut_follow_those_before(logged):
    records = Records(logged, 8)
    records.metrics(10, "validation", {"loss": 0.0})
    records.close()
    assert [line["step"] for line in lines(logged / "metrics.jsonl")] == [4, 8, 10]
