"""Questions from files in the form of SQuAD 1.1 and 2.0, which CMRC 2018 comes in too."""

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bert_jax.data.lines import Tally
from bert_jax.errors import DataError
from bert_jax.tasks.examples import Answer, Question

_KINDS = {
    str: "a string",
    int: "a whole number",
    bool: "a boolean",
    list: "a list",
    dict: "an object",
}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON's escapes can bring them


@dataclass
class SquadReport:
    """What reading met, beside the questions."""

    repaired: Tally = field(default_factory=Tally)  # answers moved to where their text stands
    unplaced: Tally = field(default_factory=Tally)  # answers whose place is not known
    untrainable: Tally = field(default_factory=Tally)  # questions that have no other answers


def read_squad(path: Path, report: SquadReport) -> list[Question]:
    """Read the questions of a JSON file, plain or gzip.

    An answer that does not stand at its offset is moved if its text occurs once in the context.
    If not, its start becomes -1: it counts in scoring, and training leaves it out.

    Raises:
        DataError: the file cannot be read, is not of this form, repeats an id, or has no question.
    """
    questions: list[Question] = []
    seen: dict[str, str] = {}
    for place, context, entry in _entries(path, _read_json(path)):
        question = _read_question(place, context, entry, report)
        if question.id in seen:
            raise DataError(
                f"{place}: its id {question.id!r} is that of {seen[question.id]} too; predictions "
                "are told apart by it, so make it another"
            )
        seen[question.id] = place
        questions.append(question)
    if not questions:
        raise DataError(f"{path}: holds no question; wants data[].paragraphs[].qas[] as in SQuAD")
    return questions


def _read_json(path: Path) -> Any:
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        return json.loads(data.decode("utf-8-sig"))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: a damaged gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not UTF-8 text (byte {error.start}); convert it, e.g. with iconv"
        ) from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{error.lineno}: is not JSON ({error.msg}, column {error.colno}); wants a file "
            "in the form of SQuAD"
        ) from None
    except ValueError as error:  # a number of thousands of digits
        raise DataError(f"{path}: not JSON that can be read ({error})") from None
    except RecursionError:
        raise DataError(f"{path}: is not in the form of SQuAD (nested too deep)") from None


def _entries(path: Path, data: Any) -> Iterator[tuple[str, str, dict]]:
    """Yield the place, the context and the entry of each question."""
    for i, article in enumerate(_get(f"{path}", data, "data", list)):
        at = f"{path}: data[{i}]"
        for j, paragraph in enumerate(_get(at, article, "paragraphs", list)):
            within = f"{at}.paragraphs[{j}]"
            context = _get_text(within, paragraph, "context")
            for k, entry in enumerate(_get(within, paragraph, "qas", list)):
                yield f"{within}.qas[{k}]", context, entry


def _read_question(place: str, context: str, entry: Any, report: SquadReport) -> Question:
    id = _get(place, entry, "id", str)
    question = _get_text(place, entry, "question")
    impossible = "is_impossible" in entry and _get(place, entry, "is_impossible", bool)
    # A test set whose answers are hidden may lack the field.
    given = _get(place, entry, "answers", list) if "answers" in entry else []
    if impossible and given:
        raise DataError(f"{place}: has is_impossible and answers; wants one of them")
    answers = tuple(
        _read_answer(f"{place}.answers[{n}]", context, answer, report)
        for n, answer in enumerate(given)
    )
    if answers and all(answer.start < 0 for answer in answers):
        _count(report.untrainable, place)
    return Question(id, question, context, answers, impossible)


def _read_answer(place: str, context: str, entry: Any, report: SquadReport) -> Answer:
    text = _get_text(place, entry, "text")
    start = _get(place, entry, "answer_start", int)
    if text and start >= 0 and context.startswith(text, start):
        return Answer(text, start)
    found = context.find(text)
    if text and found >= 0 and context.find(text, found + 1) < 0:
        _count(report.repaired, place)
        return Answer(text, found)
    _count(report.unplaced, place)
    return Answer(text, -1)


def _count(tally: Tally, place: str) -> None:
    tally.count += 1
    tally.first = tally.first or place


def _get_text(place: str, entry: Any, name: str) -> str:
    return _LONE_SURROGATE.sub("\ufffd", _get(place, entry, name, str))


def _get(place: str, entry: Any, name: str, kind: type) -> Any:
    """Return a field of an entry, which has to be there and of a kind."""
    if not isinstance(entry, dict):
        raise DataError(f"{place}: got {_describe(entry)}, wants an object with {name!r}")
    if name not in entry:
        fields = ", ".join(list(entry)[:20]) or "none"
        raise DataError(f"{place}: no field {name!r}; its fields are {fields}")
    value = entry[name]
    if type(value) is not kind:
        raise DataError(f"{place}: {name!r} is {_describe(value)}, wants {_KINDS[kind]}")
    return value


def _describe(value: Any) -> str:
    kind = _KINDS.get(type(value), "")
    return kind if kind in ("a list", "an object") else f"{str(value)[:40]!r}"
