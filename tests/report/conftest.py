"""A run folder as a real run leaves it, made up."""

import json
import math
import random
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bert_jax.report import curves, write_report
from bert_jax.report.finetuning import calibration, seeds, values
from bert_jax.report.markup import Markup, element
from bert_jax.report.pretraining import corpus_section

STEPS = 1900
VOID = {"meta"}


class Reader(HTMLParser):
    """Collect a page's text and hold that its tags are balanced."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words: list[str] = []
        self.page = page
        self.feed(page)
        self.close()
        assert self.open == []
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_lines(path: Path, values: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")


def write_run(folder: Path, *, steps: int = STEPS, every: int = 10) -> Path:
    """Write a run of `steps` steps with a line each `every`, and its corpus beside it."""
    draw = random.Random(0)
    config = {
        "seed": 0,
        "data": {"path": "builtin"},
        "model": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2},
        "optimizer": {"name": "adamw", "learning_rate": 0.003, "weight_decay": 0.01},
        "train": {"steps": steps, "batch_size": 32, "max_seq_length": 128},
    }
    write_json(folder / "config.json", config)
    write_json(
        folder / "run.json",
        {
            "command": "python -m bert_jax.pretrain --config=configs/quickstart.py",
            "started": "2025-03-01T09:15:00+00:00",
            "versions": {"python": "3.11.7", "jax": "0.10.2", "flax": "0.12.0"},
            "device": "cpu",
            "num_devices": 1,
            "mesh": {"data": 1, "fsdp": 1, "tensor": 1},
            "parameters": 987_654,
            "status": "finished",
            "flops_per_step": 9.87e9,
            "corpus": "../corpus",
        },
    )
    write_lines(folder / "metrics.jsonl", _metrics(steps, every, draw))
    write_lines(
        folder / "notes.jsonl",
        [
            {
                "step": 400,
                "text": "The MLM loss still sits at the unigram entropy (6.55). What usually "
                "helps: a lower rate, a longer warm-up, LayerNorm before the block, more data.",
            }
        ],
    )
    write_lines(folder / "samples.jsonl", [_sample(s, steps) for s in range(0, steps + 1, 100)])
    names = ["attention/query", "attention/key", "attention/value", "feed_forward/inner"]
    parameters = [
        {
            "path": f"encoder/layer_{i}/{name}/{leaf}",
            "shape": shape,
            "dtype": "float32",
            "decayed": leaf == "kernel",
            "sharding": "(fsdp, tensor)" if len(shape) > 1 else "()",
        }
        for i in range(2)
        for name in names
        for leaf, shape in (("kernel", [128, 128]), ("bias", [128]))
    ]
    write_json(folder / "parameters.json", parameters)
    shares = {
        "pairs_per_row": 1.28,
        "is_next_share": 0.531,
        "padding_share": 0.041,
        "truncated_share": 0.22,
        "mean_length": 122.8,
    }
    write_json(
        folder / "pairs.json",
        {"train": {"pairs": 21_004, **shares}, "validation": {"pairs": 1_090, **shares}},
    )
    _write_corpus(folder.parent / "corpus")
    return folder


def _metrics(steps: int, every: int, draw: random.Random) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for step in range(every, steps + 1, every):
        done = step / steps
        loss = 4.95 + 1.6 / (1 + math.exp(12 * (done - 0.35))) + 1.8 * math.exp(-done * 60)
        accuracy = 0.055 + 0.115 / (1 + math.exp(-11 * (done - 0.45)))
        sentence = 0.53 + 0.25 / (1 + math.exp(-14 * (done - 0.6)))
        rate = 0.003 * min(done / 0.1, (1 - done) / 0.9)
        speed = 30_000 + draw.gauss(0, 600) - (14_000 if step == every else 0)
        lines.append(
            {
                "step": step,
                "split": "train",
                "loss": loss + 0.6,
                "mlm_loss": loss + draw.gauss(0, 0.12),
                "mlm_accuracy": accuracy + draw.gauss(0, 0.01),
                "nsp_loss": 0.6,
                "nsp_accuracy": min(1, sentence + draw.gauss(0, 0.06)),
                "learning_rate": rate,
                "grad_norm": 1.2 + abs(draw.gauss(0, 0.3)) + 4 * (step < 60),
                "tokens_per_second": speed,
                "sequences_per_second": speed / 128,
                "model_flops_per_second": speed * 2.4e6,
            }
        )
        if step % (10 * every) == 0 or step == steps:
            lines.append(
                {
                    "step": step,
                    "split": "validation",
                    "mlm_loss": loss + 0.05,
                    "mlm_accuracy": accuracy - 0.004,
                    "mlm_perplexity": math.exp(loss + 0.05),
                    "nsp_loss": 0.5,
                    "nsp_accuracy": sentence - 0.01,
                }
            )
    return lines


def _sample(step: int, steps: int) -> dict[str, Any]:
    done = step / steps

    def top(answer: str, others: list[str], peak: float) -> list[list[Any]]:
        early = [[word, 0.055 - 0.004 * i] for i, word in enumerate(["the", ",", ".", "of", "a"])]
        if done < 0.2:
            return early
        late = [[word, 0.12 / (i + 1.5)] for i, word in enumerate(others)]
        guesses = [*late, [answer, peak * done]]
        return sorted(guesses, key=lambda g: -g[1])[:5]

    return {
        "step": step,
        "sentences": [
            {
                "text": "return the [MASK] of the list as an integer.",
                "masks": [
                    {
                        "answer": "length",
                        "top": top("length", ["value", "number", "name", "result", "index"], 0.62),
                    }
                ],
            },
            {
                "text": "if the [MASK] does not exist, a new one is [MASK].",
                "masks": [
                    {
                        "answer": "file",
                        "top": top("file", ["object", "value", "argument", "name", "class"], 0.35),
                    },
                    {
                        "answer": "created",
                        "top": top("created", ["returned", "used", "raised", "made", "##ed"], 0.7),
                    },
                ],
            },
            {
                "text": "raises an error when the argument is not a [MASK].",
                "masks": [
                    {
                        "answer": "string",
                        "top": top(
                            "string", ["number", "list", "function", "class", "representation"], 0.3
                        ),
                    }
                ],
            },
            {
                "text": "the generator yields one [MASK] at a time.",
                "masks": [
                    {
                        "answer": "token",
                        "top": top("item", ["value", "element", "line", "object", "string"], 0.2),
                    }
                ],
            },
        ],
    }


def _write_corpus(folder: Path) -> None:
    common = {
        "unigram_entropy": 6.552,
        "most_frequent_token": 7,
        "most_frequent_token_share": 0.0551,
    }
    write_json(
        folder / "manifest.json",
        {
            "tokenizer": {"kind": "wordpiece", "vocab_size": 4096, "fingerprint": "3f2a"},
            "splits": {
                "train": {"documents": 9_120, "sentences": 96_204, "tokens": 2_710_553, **common},
                "validation": {"documents": 480, "sentences": 5_061, "tokens": 140_020, **common},
            },
        },
    )
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", ".", "the", "of"]
    (folder / "tokenizer").mkdir(exist_ok=True)
    (folder / "tokenizer" / "vocab.txt").write_text("".join(f"{w}\n" for w in vocabulary))
    write_json(
        folder / "statistics.json",
        {
            "documents": 9_600,
            "splits": {"train": {"documents": 9_120}, "validation": {"documents": 480}},
            "documents_read": 9_751,
            "documents_skipped": 149,
            "text_bytes": 11_200_431,
            "characters": 11_150_020,
            "unknown_share": 0.00042,
            "sentences_per_document": 10.55,
            "lines": 151_020,
            "duplicate_lines": 1_204,
            "duplicate_lines_are": "approximate, over the first eight million lines",
            "sentence_lengths": {
                "unit": "tokens",
                "at_least": [1, 5, 10, 20, 40, 80, 160, 320, 640, 1280],
                "count": [3100, 9800, 24_000, 37_000, 18_000, 6200, 900, 80, 0, 0],
            },
            "document_lengths": {
                "unit": "sentences",
                "at_least": [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
                "count": [1100, 2100, 2800, 2400, 1300, 620, 290, 90, 11, 0, 0],
            },
            "skipped": {
                "invalid UTF-8": {"count": 2, "first": "library/os.txt:120"},
                "no text left": {"count": 118, "first": "library/abc.txt:7"},
            },
            "skipped_files": {"a binary file": {"count": 1, "first": "library/logo.txt"}},
            "changed": {"sentences cut": {"count": 12, "first": ""}},
        },
    )


@pytest.fixture
def read_page() -> Callable[[Path], Reader]:
    """Return what writes the page of a folder and reads it."""
    return lambda folder: Reader(write_report(folder).read_text(encoding="utf-8"))


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Return a finished run's folder with every file there."""
    return write_run(tmp_path / "quickstart")


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave figures out, which take most of a page's time."""

    def blank(*_: object, description: str, **__: object) -> Markup:
        return element("svg", description)

    monkeypatch.setattr(curves, "draw_curves", blank)
    monkeypatch.setattr(corpus_section, "draw_histogram", blank)
    monkeypatch.setattr(calibration, "draw_points", blank)
    monkeypatch.setattr(values, "draw_points", blank)
    monkeypatch.setattr(seeds, "draw_repeats", blank)
