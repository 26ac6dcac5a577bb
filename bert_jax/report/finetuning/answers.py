"""What was answered to questions."""

from collections import Counter
from typing import Any

from bert_jax.report import numbers
from bert_jax.report.files import as_dict, as_list, as_number, as_text
from bert_jax.report.finetuning.measures import Baseline
from bert_jax.report.finetuning.worst import Worst, cards, example_card, sentences
from bert_jax.report.markup import Content, Markup, element, table
from bert_jax.tasks.squad_metric import RULES

_SHOWN = 12  # of the worst answers
_MAX_ANSWERS = 4  # of one question
_MAX_TEXT = 200  # characters of an answer
_OUTCOMES = ("right", "partly right", "wrong", "said there is none")
_WORST = (
    "Answers that share not a word with an accepted one, those first to which the model gave the "
    "highest probability."
)


class Answers:
    """How answers came out, and the worst of them, in a split.

    Args:
        task: its name, which says by whose rules answers are right.
    """

    def __init__(self, task: str) -> None:
        self.scored = 0
        self.outcomes = Counter[tuple[bool, str]]()  # by whether there is an answer
        self._rule = rule_of(task)
        self._worst = Worst(_SHOWN)

    def add(self, line: dict[str, Any]) -> None:
        """Score the answer to a question, unless the accepted ones are hidden."""
        accepted = [as_text(answer) for answer in as_list(line.get("answers"))]
        said = line.get("prediction")
        if not isinstance(said, str) or not (accepted or self._rule == "squad2"):
            return
        exact, f1 = RULES[self._rule](accepted, said)
        self.scored += 1
        outcome = "right" if exact else "partly right" if f1 else "wrong"
        if outcome == "wrong" and not said and self._rule == "squad2":
            outcome = "said there is none"
        self.outcomes[bool(accepted), outcome] += 1
        if not f1:
            self._worst.add(_probability(line) or 0.0, line)

    def baseline(self, metric: str) -> Baseline | None:
        """Score always saying that there is no answer, where that may be right."""
        if self._rule != "squad2" or metric not in ("f1", "exact_match") or not self.scored:
            return None
        share = sum(n for (there, _), n in self.outcomes.items() if not there) / self.scored
        return Baseline(100 * share, "always saying that there is no answer")

    def parts(self, key: str) -> list[tuple[str, Content]]:
        """Return the parts of the page, each with its title."""
        return [
            ("How its answers came out", self._table()),
            (
                "Where it is most surely wrong",
                cards([_card(line) for line in self._worst.lines()], _WORST),
            ),
        ]

    def _table(self) -> Content:
        rows: list[list[Content]] = []
        outcomes = _OUTCOMES if self._rule == "squad2" else _OUTCOMES[:3]
        kinds = ((True, "The text has the answer"), (False, "The text has no answer"))
        for there, name in kinds:
            total = sum(self.outcomes[there, outcome] for outcome in _OUTCOMES)
            if total:
                cells = [_share(self.outcomes[there, x], total) for x in outcomes]
                if not there:  # there, to give any answer is wrong, and to give none is right
                    cells[1] = cells[3] = "–"
                rows.append([name, *cells, f"{total:,}"])
        if not rows:
            return None
        text = (
            "Right is an accepted answer to the letter, articles, case and punctuation aside; "
            "partly right shares words with one."
        )
        return [
            element("p", text, class_="explain"),
            table(("", *outcomes, "questions"), rows, "numbers"),
        ]


def rule_of(task: str) -> str:
    """Name the rule of `RULES` by which a task's answers are right."""
    return "cmrc" if task.startswith("cmrc") else task if task in RULES else "squad1"


def _share(count: int, total: int) -> Content:
    return [f"{count:,}", element("small", numbers.percent(count / total))]


def _probability(line: dict[str, Any]) -> float | None:
    """Find what the model gave its answer, which may be too little to be among the candidates."""
    for candidate in map(as_dict, as_list(line.get("candidates"))):
        if candidate.get("text") == line["prediction"]:
            return as_number(candidate.get("probability"))
    return None


def _card(line: dict[str, Any]) -> Markup:
    accepted = list(dict.fromkeys(map(as_text, as_list(line.get("answers")))))
    wanted: list[Content] = []
    for answer in accepted[:_MAX_ANSWERS] or [""]:
        wanted += [" or " if wanted else "; accepted: ", element("mark", _answer(answer))]
    probability = _probability(line)
    return example_card(
        as_text(line.get("id")),
        sentences(line, "question"),
        "it said ",
        element("mark", _answer(line["prediction"]), class_="wrong"),
        f" {numbers.percent(probability)}" if probability is not None else None,
        *wanted,
    )


def _answer(text: str) -> Content:
    if not text:
        return "no answer"
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
