"""The chosen rows as files, in forms that both sides read and have nothing to guess about."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bert_jax.data.tokenizers import load_tokenizer
from bert_jax.tasks.examples import Example, Question, TaggedSentence
from experiments.finetuning.comparisons import Comparison
from experiments.finetuning.sources import SOURCES, Subset, without_odd_sentences

# By the task, the names that `configs/finetune.py` looks for in a folder.
FILES = {
    "own": ("train.jsonl", "dev.jsonl"),
    "tags": ("train.conll", "dev.conll"),
    "squad1": ("train-v1.1.json", "dev-v1.1.json"),
}


def write_subset(
    name: str, comparison: Comparison, data: Path, tokenizer: Path, directory: Path
) -> Subset:
    """Choose the rows of a comparison, the same each time, and write both splits."""
    subset = SOURCES[name](data).chosen(comparison.rows, comparison.held_out)
    task = comparison.task
    if task == "tags":
        longest = comparison.max_seq_length
        subset = without_odd_sentences(subset, load_tokenizer(tokenizer), longest)
    write = {"own": _texts, "tags": _sentences, "squad1": _questions}[task]
    directory.mkdir(parents=True, exist_ok=True)
    for file, rows in zip(FILES[task], (subset.train, subset.validation), strict=True):
        (directory / file).write_text(write(rows), encoding="utf-8")
    return subset


def _texts(examples: Sequence[Example]) -> str:
    fields = ("text", "text_pair", "label")
    lines = ({name: getattr(example, name) for name in fields} for example in examples)
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def _sentences(sentences: Sequence[TaggedSentence]) -> str:
    blocks = (
        "".join(f"{word}\t{tag}\n" for word, tag in zip(s.words, s.tags or (), strict=True))
        for s in sentences
    )
    return "\n".join(blocks)


def _questions(questions: Sequence[Question]) -> str:
    """Write SQuAD's form; of each question the answers whose place is known stand first."""
    paragraphs = [
        {"context": context, "qas": [_entry(question) for question in of_context]}
        for context, of_context in groupby(questions, key=lambda question: question.context)
    ]
    return json.dumps({"version": "1.1", "data": [{"title": "", "paragraphs": paragraphs}]})


def _entry(question: Question) -> dict:
    placed = sorted(question.answers, key=lambda answer: answer.start < 0)
    answers = [{"text": answer.text, "answer_start": answer.start} for answer in placed]
    return {"id": question.id, "question": question.question, "answers": answers}
