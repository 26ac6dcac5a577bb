"""What the metrics of tasks are called, how they are written, and what they tell."""

from dataclasses import dataclass

from bert_jax.report import numbers

_NAMES = {
    "accuracy": "Accuracy",
    "f1": "F1",
    "macro_f1": "Macro F1",
    "matthews": "Matthews’ correlation",
    "pearson": "Pearson’s correlation",
    "spearman": "Spearman’s correlation",
    "exact_match": "Exact match",
    "precision": "Precision",
    "recall": "Recall",
    "has_answer_exact_match": "Exact match where there is an answer",
    "has_answer_f1": "F1 where there is an answer",
    "no_answer_exact_match": "Exact match where there is none",
    "no_answer_f1": "F1 where there is none",
    "null_threshold": "Threshold for no answer",
}
_MEANINGS = {
    "accuracy": "how much of what it says is right",
    "f1": "one number for how much of what it finds is right and how much of what is there it "
    "finds; 0 is nothing, 1 is everything",
    "macro_f1": "the F1 of each class, averaged so that rare ones count as much as common ones",
    "matthews": "how closely its answers follow the labels; 0 is guessing, 1 is perfect",
    "pearson": "how nearly its values and the labels lie on a line; 0 is not at all, 1 is exactly",
    "spearman": "how nearly it puts examples into the right order; 0 is not at all, 1 is exactly",
    "precision": "how much of what it finds is right",
    "recall": "how much of what is there it finds",
    "null_threshold": "odds above which it says that there is no answer",
}
_OF_ANSWERS = {
    "exact_match": "answers, of 100, that are an accepted one to the letter",
    "f1": "how many words answers share with accepted ones; 0 is none, 100 is all",
}


@dataclass(frozen=True)
class Measure:
    """A metric; a perfect model reaches `perfect`."""

    label: str
    meaning: str
    perfect: float
    in_percent: bool
    bounded: bool  # whether it is a score from 0 to `perfect`

    def write(self, value: float) -> str:
        """Write a value with as many figures as hundreds of examples can tell."""
        if self.in_percent:
            return numbers.percent(value)
        return f"{value:.1f}" if self.perfect == 100 else f"{value:.3f}"

    def share(self, value: float) -> float | None:
        """Return a value as a share of the perfect one, for a bar; None where that says nothing."""
        return min(1.0, max(0.0, value / self.perfect)) if self.bounded else None


def measure(name: str, of_answers: bool) -> Measure:
    """Describe a metric by its name, which may begin with a split: "validation/f1".

    Args:
        name: as in score.json.
        of_answers: whether it is of a question task, whose scores go up to 100.
    """
    name = name.rpartition("/")[2]
    meanings = _MEANINGS | (_OF_ANSWERS if of_answers else {})
    label = _NAMES.get(name, name.replace("_", " "))
    meaning = meanings.get(name, "")
    if name.startswith("f1_"):  # of a type of entity
        label, meaning = f"F1 of {name[3:]}", "the same for entities of this type"
    return Measure(
        label=label,
        meaning=meaning,
        perfect=100 if of_answers else 1,
        in_percent=name == "accuracy",
        bounded=name != "null_threshold",
    )


@dataclass(frozen=True)
class Baseline:
    """What a trivial guess reaches in a metric, and which guess: "always saying “yes”"."""

    value: float
    guess: str
