"""Rows as `transformers` makes them of the chosen data, and predictions back from its scores.

Needs torch and transformers, see huggingface_train. Each task has a class with the head's model,
the rows of a split as its tokenizer gives them, and `predictions`, an object for each example.
"""

import json
from pathlib import Path

import numpy as np
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

NOT_SCORED = -100  # the label that the loss of `transformers` leaves out
SPLITS = ("train", "dev")


class Texts:
    """Texts or pairs, one row each."""

    model = AutoModelForSequenceClassification

    def __init__(self, settings: dict, split: str, tokenizer) -> None:
        self.labels = settings["labels"]
        lines = _read(settings, f"{split}.jsonl").split("\n")
        examples = [json.loads(line) for line in lines if line]
        texts = [example["text"] for example in examples]
        pairs = [example["text_pair"] for example in examples]
        length = settings["train"]["max_seq_length"]
        encoded = tokenizer(
            texts, pairs if pairs[0] is not None else None, truncation=True, max_length=length
        )
        self.rows = [_row(encoded, i) for i in range(len(examples))]
        for row, example in zip(self.rows, examples, strict=True):
            row["labels"] = self.labels.index(example["label"])

    def predictions(self, scores: list[np.ndarray]) -> list[dict]:
        """Take the class with the highest score [C]."""
        return [{"prediction": self.labels[int(row.argmax())]} for row in scores]


class TaggedWords:
    """Sentences with a tag a word, which is learnt and predicted at the word's first piece."""

    model = AutoModelForTokenClassification

    def __init__(self, settings: dict, split: str, tokenizer) -> None:
        self.labels = settings["labels"]
        blocks = _read(settings, f"{split}.conll").strip("\n").split("\n\n")
        sentences = [[line.split("\t") for line in block.split("\n")] for block in blocks]
        encoded = tokenizer(
            [[word for word, _ in sentence] for sentence in sentences],
            is_split_into_words=True,
            truncation=True,
            max_length=settings["train"]["max_seq_length"],
        )
        self.rows, self.firsts = [], []
        for i, sentence in enumerate(sentences):
            words = encoded.word_ids(i)
            firsts = [words.index(number) for number in range(len(sentence))]
            row = _row(encoded, i) | {"labels": [NOT_SCORED] * len(words)}
            for place, (_, tag) in zip(firsts, sentence, strict=True):
                row["labels"][place] = self.labels.index(tag)
            self.rows.append(row)
            self.firsts.append(firsts)

    def predictions(self, scores: list[np.ndarray]) -> list[dict]:
        """Take the tag with the highest score [T, C] at each word's first piece."""
        best = [row[firsts].argmax(axis=1) for row, firsts in zip(scores, self.firsts, strict=True)]
        return [{"prediction": [self.labels[i] for i in of_words]} for of_words in best]


class Questions:
    """Questions to a text, in as many windows of it as are needed."""

    model = AutoModelForQuestionAnswering

    def __init__(self, settings: dict, split: str, tokenizer) -> None:
        self.how = settings["data"]["questions"]
        length = settings["train"]["max_seq_length"]
        document = json.loads(_read(settings, f"{split}-v1.1.json"))
        paragraphs = [p for article in document["data"] for p in article["paragraphs"]]
        self.entries = [(p["context"], entry) for p in paragraphs for entry in p["qas"]]
        self.rows, self.owners, self.offsets = [], [], []
        for number, (context, entry) in enumerate(self.entries):
            # What `transformers` calls a stride is how far windows overlap, not how far they move.
            room = length - len(tokenizer(entry["question"])["input_ids"]) - 1
            encoded = tokenizer(
                entry["question"],
                context,
                truncation="only_second",
                max_length=length,
                stride=max(0, room - self.how["doc_stride"]),
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
            )
            for i in range(len(encoded["input_ids"])):
                row = _row(encoded, i)
                if split == "train":
                    first, last = _place(encoded, i, entry["answers"][0])
                    row |= {"start_positions": first, "end_positions": last}
                within = zip(encoded["offset_mapping"][i], encoded.sequence_ids(i), strict=True)
                self.rows.append(row)
                self.owners.append(number)
                self.offsets.append([span if part == 1 else None for span, part in within])

    def predictions(self, scores: list[np.ndarray]) -> list[dict]:
        """Take the span with the highest sum of scores [T, 2] in any window of a question."""
        best = [(-np.inf, "")] * len(self.entries)
        for owner, offsets, row in zip(self.owners, self.offsets, scores, strict=True):
            context = self.entries[owner][0]
            best[owner] = max(best[owner], self._best_span(context, offsets, row))
        return [
            {"id": entry["id"], "prediction": text}
            for (_, entry), (_, text) in zip(self.entries, best, strict=True)
        ]

    def _best_span(self, context: str, offsets: list, scores: np.ndarray) -> tuple[float, str]:
        starts, ends = np.argsort(-scores, axis=0)[: self.how["n_best"]].T.tolist()
        found = (-np.inf, "")
        for first in starts:
            for last in ends:
                long = last - first + 1 > self.how["max_answer_length"]
                if last < first or long or offsets[first] is None or offsets[last] is None:
                    continue
                text = context[offsets[first][0] : offsets[last][1]]
                found = max(found, (float(scores[first, 0] + scores[last, 1]), text))
        return found


TASKS = {"own": Texts, "tags": TaggedWords, "squad1": Questions}


def _read(settings: dict, name: str) -> str:
    return (Path(settings["data"]["path"]) / name).read_text(encoding="utf-8")


def _row(encoded, i: int) -> dict[str, list[int]]:
    names = ("input_ids", "token_type_ids", "attention_mask")
    return {name: encoded[name][i] for name in names}


def _place(encoded, window: int, answer: dict) -> tuple[int, int]:
    """Return the tokens in which an answer begins and ends, [CLS] if the window lacks any of it."""
    begin = answer["answer_start"]
    first = encoded.char_to_token(window, begin, 1)
    last = encoded.char_to_token(window, begin + len(answer["text"]) - 1, 1)
    return (0, 0) if first is None or last is None else (first, last)
