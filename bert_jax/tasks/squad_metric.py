"""Exact match and F1 of answers: what the official scripts of SQuAD and CMRC compute."""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence

from bert_jax.errors import DataError
from bert_jax.tasks.cmrc_metric import score_cmrc
from bert_jax.tasks.examples import Question

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def score_squad1(answers: Sequence[str], text: str) -> tuple[float, float]:
    """Return exact match and F1 of a text against the best of the answers, SQuAD 1.1."""
    pairs = [(normalize(answer), normalize(text)) for answer in answers]
    return float(any(a == b for a, b in pairs)), max(_f1(a.split(), b.split()) for a, b in pairs)


def score_squad2(answers: Sequence[str], text: str) -> tuple[float, float]:
    """Return the same by SQuAD 2.0: no answers want no text, and of empty ones equal is right."""
    answers = [answer for answer in answers if normalize(answer)] or [""]
    exact, f1 = score_squad1(answers, text)
    return exact, max(exact, f1)


def normalize(text: str) -> str:
    """Return lower-case words without articles and ASCII punctuation."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_ASCII_PUNCTUATION)).split())


def _f1(answer: list[str], text: list[str]) -> float:
    shared = sum((Counter(answer) & Counter(text)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(text), shared / len(answer)
    return 2 * precision * recall / (precision + recall)


RULES = {"squad1": score_squad1, "squad2": score_squad2, "cmrc": score_cmrc}


def score_each(
    questions: Sequence[Question], texts: Mapping[str, str], rule: str
) -> list[tuple[float, float]]:
    """Return exact match and F1 of each question, 0 to 1.

    Args:
        questions: with their answers.
        texts: what is answered, by the question's id, "" for no answer. A question that is not
            there scores 0 (the script of SQuAD 2.0 leaves such a question out).
        rule: 'squad1', 'squad2' or 'cmrc'.

    Raises:
        DataError: a question's answers are hidden.
    """
    scores = []
    for question in questions:
        if not question.answers and (rule != "squad2" or not question.impossible):
            raise DataError(f"question {question.id!r} has no answers, so it cannot be scored")
        found = texts.get(question.id)
        golds = [answer.text for answer in question.answers]
        scores.append((0.0, 0.0) if found is None else RULES[rule](golds, found))
    return scores


def score_answers(
    questions: Sequence[Question], texts: Mapping[str, str], rule: str
) -> dict[str, float]:
    """Return exact match and F1 in percent; for SQuAD 2.0 also of either kind of question.

    Arguments and errors are those of `score_each`.
    """
    scores = score_each(questions, texts, rule)
    metrics = _mean(scores, "")
    if rule == "squad2":
        for kind, impossible in (("has_answer_", False), ("no_answer_", True)):
            chosen = [
                score
                for question, score in zip(questions, scores, strict=True)
                if question.impossible == impossible
            ]
            metrics |= _mean(chosen, kind) if chosen else {}
    return metrics


def _mean(scores: Sequence[tuple[float, float]], prefix: str) -> dict[str, float]:
    exact, f1 = zip(*scores, strict=True)
    return {
        f"{prefix}exact_match": 100.0 * sum(exact) / len(scores),
        f"{prefix}f1": 100.0 * sum(f1) / len(scores),
    }
