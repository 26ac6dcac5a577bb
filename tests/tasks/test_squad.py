import gzip
import json
from pathlib import Path

import pytest

from bert_jax.errors import DataError
from bert_jax.tasks.examples import Answer, Question
from bert_jax.tasks.squad import SquadReport, read_squad

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CONTEXT = "The cat sat. The dog sat on a mat."


def entry(id="1", answers=((("cat"), 4),), **fields):
    given = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": id, "question": "Who?", "answers": given} | fields


def squad(*entries, context=CONTEXT):
    return {"data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(entries)}]}]}


def write(tmp_path, value):
    path = tmp_path / "dev.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_questions_are_read_plain_and_gzip(tmp_path):
    value = squad(
        entry(answers=[("cat", 4), ("The cat", 0)]),
        entry("2", [], is_impossible=True, plausible_answers=[{"text": "dog", "answer_start": 17}]),
        {"id": "3", "question": "Hidden?"},
    )
    path = write(tmp_path, value)
    packed = tmp_path / "dev.json.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes()))
    report = SquadReport()
    wanted = [
        Question("1", "Who?", CONTEXT, (Answer("cat", 4), Answer("The cat", 0)), False),
        Question("2", "Who?", CONTEXT, (), True),
        Question("3", "Hidden?", CONTEXT, (), False),
    ]
    assert read_squad(path, report) == read_squad(packed, report) == wanted
    assert report == SquadReport()


def test_wrong_offsets_are_repaired_where_the_text_stands_once_and_counted(tmp_path):
    value = squad(
        entry("moved", [("cat", 5), ("mat.", -4)]),
        entry("twice", [("sat", 9)]),  # stands at 8 and 21
        entry("nowhere", [("cow", 4), ("", 0)]),
        entry("right", [("sat", 21), ("cow", 4)]),
    )
    report = SquadReport()
    questions = read_squad(write(tmp_path, value), report)
    starts = [[answer.start for answer in question.answers] for question in questions]
    assert starts == [[4, 30], [-1], [-1, -1], [21, -1]]
    assert report.repaired.count == 2 and report.unplaced.count == 4
    assert report.untrainable.count == 2
    assert report.untrainable.first.endswith("dev.json: data[0].paragraphs[0].qas[1]")
    assert report.unplaced.first.endswith("qas[1].answers[0]")


def test_lone_surrogates_do_not_move_what_follows(tmp_path):
    value = squad(entry(answers=[("b", 2)]), context="a\ud800b")
    (question,) = read_squad(write(tmp_path, value), SquadReport())
    assert question.context == "a\ufffdb" and question.answers[0].start == 2


@pytest.mark.parametrize(
    "value, message",
    [
        ('{"data": ' + "1" * 5_000 + "}", r"dev\.json: not JSON that can be read"),
        ('{"data": [\n}', r"dev\.json:2: is not JSON \(.*column 1\)"),
        ([], r"dev\.json: got a list, wants an object with 'data'"),
        ({"version": "1.1"}, r"dev\.json: no field 'data'; its fields are version"),
        ({"data": []}, "holds no question"),
        ({"data": {"a": 1}}, "'data' is an object, wants a list"),
        ({"data": [{"paragraphs": 3}]}, r"data\[0\]: 'paragraphs' is '3', wants a list"),
        (
            {"data": [{"paragraphs": [{"qas": []}]}]},
            r"data\[0\]\.paragraphs\[0\]: no field 'context'",
        ),
        (squad({"id": "1"}), r"qas\[0\]: no field 'question'; its fields are id"),
        (squad(entry(id=7)), r"qas\[0\]: 'id' is '7', wants a string"),
        (squad(entry(question=None)), "'question' is 'None', wants a string"),
        (
            squad(entry(answers=[("cat", "4")])),
            r"answers\[0\]: 'answer_start' is '4', wants a whole",
        ),
        (squad(entry(answers=[("cat", True)])), "'answer_start' is 'True', wants a whole number"),
        (squad(entry(is_impossible=1)), "'is_impossible' is '1', wants a boolean"),
        (squad(entry(is_impossible=True)), "has is_impossible and answers"),
        (squad(entry(), entry()), r"qas\[1\]: its id '1' is that of .*qas\[0\] too"),
        ("[" * 100_000, "is not (JSON|in the form of SQuAD)"),
    ],
)
def test_other_forms_are_refused_in_one_line(tmp_path, value, message):
    with pytest.raises(DataError, match=message) as caught:
        read_squad(write(tmp_path, value), SquadReport())
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    packed = tmp_path / "dev.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(squad(entry())).encode())[:-9])
    latin = tmp_path / "latin.json"
    latin.write_bytes(json.dumps(squad(entry(question="caf?"))).replace("?", "é").encode("latin-1"))
    for path, message in (
        (packed, "a damaged gzip file"),
        (latin, "is not UTF-8 text"),
        (tmp_path / "none.json", "cannot be read"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(DataError, match=message):
            read_squad(path, SquadReport())


@pytest.mark.skipif(not DATA.is_dir(), reason="the data folder beside the repository is not here")
def test_the_published_wrong_offsets_of_cmrc_are_found():
    report = SquadReport()
    questions = read_squad(DATA / "cmrc2018" / "cmrc2018_dev.json.gz", report)
    assert len(questions) == 3219
    assert (report.repaired.count, report.unplaced.count) == (7, 193)
    assert report.untrainable.count == 0
