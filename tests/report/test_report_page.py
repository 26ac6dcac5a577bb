"""The page as a reader meets it: right figures, nothing foreign, every kind of run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bert_jax.report import write_report
from bert_jax.report.markup import Markup, element
from bert_jax.report.pretraining.samples import choose
from bert_jax.report.run import Evaluation

_OPTIONAL = ("config.json", "run.json", "notes.jsonl", "samples.jsonl", "parameters.json",
             "pairs.json")  # fmt: skip


def _change(path: Path, **fields) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _rewrite_metrics(folder: Path, keep) -> None:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    kept = [json.dumps(line) for line in map(keep, lines) if line]
    (folder / "metrics.jsonl").write_text("".join(line + "\n" for line in kept))


def test_the_figures_of_a_finished_run(run_folder: Path, read_page):
    lines = [json.loads(x) for x in (run_folder / "metrics.jsonl").read_text().splitlines()]
    last = lines[-1]
    last.update(mlm_accuracy=0.1653, nsp_accuracy=0.774, mlm_perplexity=148.7)
    asked = {"pairs": 120.0, "pairs_accuracy": 0.6, "pairs_accuracy/word_order": 0.75}
    asked |= {"linear_sentences": 384.0, "linear_accuracy": 0.55, "linear_majority": 0.4375}
    asked |= {"linear_accuracy/word_order": 0.625, "linear_majority/word_order": 0.5}
    lines += [{"step": step, "split": "probe", **asked} for step in (1_000, 1_900)]
    (run_folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    text = read_page(run_folder).text
    assert "A BERT of 987,654 parameters (2 layers of width 128), trained for 1,900 steps" in text
    assert "16.5% of the hidden words in text it never saw: 3.0 times as many" in text
    assert "Masked words right16.5%3.0× always guessing the (5.5%)" in text
    assert "Next sentence right77.4%+24.3 points on the commoner answer (53.1%)" in text
    assert "Perplexity149701 by frequency alone" in text
    assert "Progress100%1,900 of 1,900 steps" in text
    assert "guessing by frequency alone: 6.55" in text
    assert "always the commonest word: 5.5%" in text
    assert "always the commoner answer: 53.1%" in text
    assert "Step 400. The MLM loss still sits at the unigram entropy" in text
    assert "no text leftfirst: library/abc.txt:7118 documents" in text
    assert "pairs in a row1.281.28" in text
    assert "optimizer.learning_rate0.003" in text
    assert "With 120 pairs a share of 60.0% is unsure by ±9 points (95%)" in text
    assert "word order75.0%" in text
    assert "With 384 sentences a share of 55.0% is unsure by ±5 points (95%)" in text
    assert "always the commonest label: 43.8%" in text
    assert "word order62.5%50.0%" in text


@pytest.mark.usefixtures("no_drawing")
def test_the_majority_may_be_the_pairs_that_do_not_follow(run_folder: Path, read_page):
    (run_folder / "pairs.json").write_text('{"validation": {"is_next_share": 0.4}}')
    assert "against 60.0% for always giving the commoner answer" in read_page(run_folder).text


@pytest.mark.usefixtures("no_drawing")
def test_a_run_that_has_learnt_nothing_is_not_praised(run_folder: Path, read_page):
    _rewrite_metrics(run_folder, lambda x: {**x, "mlm_accuracy": 0.0553, "nsp_accuracy": 0.531})
    text = read_page(run_folder).text
    assert "which is no better than always answering “the” (5.5%)" in text
    assert "as always giving the commoner answer is (53.1%)" in text


def test_the_page_needs_nothing_else_and_runs_nothing(run_folder: Path, read_page):
    reader = read_page(run_folder)
    page = reader.page
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(reader.seen)
    assert re.findall(r'(?:src|href|action)="(?!#)', page) == []
    assert "@import" not in page and not re.search(r"url\((?!#)", page)
    assert "default-src &#x27;none&#x27;" in page
    assert len(page) < 400_000


_BAD = '"><script>alert(1)</script>&amp;'


@pytest.mark.usefixtures("no_drawing")
def test_text_from_data_stays_text(run_folder: Path, read_page):
    sample = {"text": f"a [MASK] {_BAD}", "masks": [{"answer": _BAD, "top": [[_BAD, 0.5]]}]}
    (run_folder / "samples.jsonl").write_text(json.dumps({"step": 1, "sentences": [sample]}) + "\n")
    (run_folder / "notes.jsonl").write_text(json.dumps({"step": 1, "text": _BAD}) + "\n")
    _change(run_folder / "config.json", **{_BAD: {"x": _BAD}})
    _change(run_folder / "run.json", command=_BAD, device=_BAD, status=_BAD, versions={_BAD: _BAD})
    corpus = run_folder.parent / "corpus"
    _change(corpus / "statistics.json", skipped={_BAD: {"count": 1, "first": _BAD}})
    manifest = json.loads((corpus / "manifest.json").read_text())
    manifest["splits"]["validation"]["most_frequent_token"] = _BAD
    (corpus / "manifest.json").write_text(json.dumps(manifest))
    parameter = {"path": _BAD, "shape": [1], "dtype": _BAD, "decayed": True, "sharding": _BAD}
    (run_folder / "parameters.json").write_text(json.dumps([parameter]))
    (run_folder / "pairs.json").write_text(json.dumps({_BAD: {"pairs": 1}}))
    reader = read_page(run_folder)
    assert "script" not in reader.seen
    # 1 sentence and 1 answer, 1 guess, 1 note, 2 config, 5 run, 2 skipped, 3 for the token (lede,
    # tile, table), 3 parameter, 1 split of the pairs.
    assert reader.text.count(_BAD) == 20


def test_markup_escapes_what_is_not_markup():
    made = element("td", "<b>", Markup("<i></i>"), 3, None, ["&"], title='"', hidden=True, id=None)
    assert made == '<td title="&quot;" hidden>&lt;b&gt;<i></i>3&amp;</td>'


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("name", _OPTIONAL)
def test_any_file_may_be_missing(run_folder: Path, read_page, name: str):
    (run_folder / name).unlink()
    assert "How it learnt" in read_page(run_folder).text


@pytest.mark.usefixtures("no_drawing")
def test_a_run_that_has_just_begun(run_folder: Path, read_page):
    for name in ("metrics.jsonl", "samples.jsonl", "notes.jsonl", "pairs.json"):
        (run_folder / name).unlink()
    _change(run_folder / "run.json", status="running", corpus=None)
    text = read_page(run_folder).text
    assert "No step is recorded yet" in text
    assert "How it learnt" not in text


@pytest.mark.usefixtures("no_drawing")
def test_a_run_without_next_sentences(run_folder: Path, read_page):
    def without(line: dict) -> dict:
        return {name: value for name, value in line.items() if not name.startswith("nsp_")}

    _rewrite_metrics(run_folder, without)
    (run_folder / "pairs.json").unlink()
    text = read_page(run_folder).text
    assert "Masked words right" in text
    assert "Next sentence" not in text and "Shown two pieces" not in text


def test_a_run_without_validation(run_folder: Path, read_page):
    _rewrite_metrics(run_folder, lambda line: line if line["split"] == "train" else None)
    text = read_page(run_folder).text
    assert "held out" not in text.replace("never saw", "")
    assert "guessing by frequency alone: 6.55" in text


@pytest.mark.usefixtures("no_drawing")
def test_a_run_going_on_says_how_long_it_still_takes(run_folder: Path, read_page):
    _change(run_folder / "run.json", status="running")
    _rewrite_metrics(
        run_folder,
        lambda x: {**x, "sequences_per_second": 32.0} if x["step"] <= 700 else None,
    )
    text = read_page(run_folder).text
    assert "trained for 700 of 1,900 steps" in text
    assert "Progress36%700 of 1,900 steps, 20 min left" in text
    assert "may have been killed" not in text


@pytest.mark.usefixtures("no_drawing")
def test_a_run_gone_quiet_is_asked_after(run_folder: Path, read_page):
    _change(run_folder / "run.json", status="running")
    os.utime(run_folder / "metrics.jsonl", (1e9, 1e9))
    assert "may have been killed" in read_page(run_folder).text


@pytest.mark.usefixtures("no_drawing")
def test_a_rising_validation_loss_is_told(run_folder: Path, read_page):
    def rise(line: dict) -> dict:
        return {**line, "mlm_loss": 6 - 2 * (line["step"] == 1000)}

    _rewrite_metrics(run_folder, rise)
    assert "lowest at step 1,000 (4.00) and has risen since" in read_page(run_folder).text


def test_a_long_run_makes_a_small_page(run_folder: Path):
    with open(run_folder / "metrics.jsonl", "w") as file:
        for step in range(1, 20_001):
            loss = 5 + (step * 7919 % 1000) / 1000
            file.write(
                f'{{"step": {step}, "split": "train", "mlm_loss": {loss}, "grad_norm": 1}}\n'
            )
            file.write(f'{{"step": {step}, "split": "validation", "mlm_loss": {loss}}}\n')
    page = write_report(run_folder).read_text()
    assert len(page) < 500_000
    points = [path.count("L ") + 1 for path in re.findall(r' d="([^"]+)"', page)]
    assert 500 < max(points) <= 610  # matplotlib may split a segment


def test_samples_are_chosen_from_first_to_last():
    evaluations = tuple(Evaluation(step, ()) for step in range(100))
    chosen = [e.step for e in choose(evaluations)]
    assert len(chosen) == 7
    assert (chosen[0], chosen[-1]) == (0, 99)
    gaps = [b - a for a, b in zip(chosen, chosen[1:], strict=False)]
    assert gaps == sorted(gaps)
    for few in range(1, 12):
        steps = [e.step for e in choose(evaluations[:few])]
        assert steps == sorted(set(steps)) and steps[-1] == few - 1 and len(steps) == min(few, 7)


@pytest.mark.usefixtures("no_drawing")
def test_the_right_answer_is_marked_where_it_is(run_folder: Path):
    page = write_report(run_folder).read_text()
    assert re.search(r'<td class="right"[^>]*><div><span>length</span><small>62</small>', page)
    assert not re.search(r'<td class="right"[^>]*><div><span>value<', page)


@pytest.mark.usefixtures("no_drawing")
def test_a_mask_in_the_text_itself_does_not_shift_the_answers(run_folder: Path, read_page):
    sample = {"text": "[MASK] and [MASK]", "masks": [{"answer": "x", "top": [["y", 0.5]]}]}
    (run_folder / "samples.jsonl").write_text(json.dumps({"step": 1, "sentences": [sample]}) + "\n")
    assert "[MASK] and [MASK]" in read_page(run_folder).text


@pytest.mark.usefixtures("no_drawing")
def test_text_that_utf8_cannot_hold_does_no_harm(run_folder: Path, read_page):
    (run_folder / "notes.jsonl").write_text('{"step": 1, "text": "half \\ud800 a pair"}\n')
    assert "half ? a pair" in read_page(run_folder).text


@pytest.mark.usefixtures("no_drawing")
def test_a_page_that_cannot_be_made_leaves_the_old_one(run_folder: Path, monkeypatch):
    path = write_report(run_folder)
    before, files = path.read_bytes(), sorted(os.listdir(run_folder))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_report(run_folder)
    assert path.read_bytes() == before
    assert sorted(os.listdir(run_folder)) == files


def _command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "bert_jax.report", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_prints_paths_and_fails_in_one_line(run_folder: Path, tmp_path: Path):
    done = _command(run_folder)
    assert (done.returncode, done.stdout) == (0, f"{run_folder / 'report.html'}\n")
    (tmp_path / "empty").mkdir()
    done = _command(tmp_path / "empty")
    assert done.returncode == 3 and not done.stdout
    assert done.stderr.startswith(f"error: {tmp_path / 'empty'}: not a run")
    assert done.stderr.count("\n") == 1


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys, bert_jax.report.__main__; "
        "print({'jax', 'flax', 'matplotlib', 'numpy', 'sentencepiece'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
