"""What was predicted of examples that belong to a class."""

from collections import Counter
from typing import Any

from bert_jax.report import numbers
from bert_jax.report.files import as_dict, as_number, as_text
from bert_jax.report.finetuning.calibration import Calibration
from bert_jax.report.finetuning.confusion import confusion, short_name
from bert_jax.report.finetuning.measures import Baseline
from bert_jax.report.finetuning.worst import Worst, cards, example_card, sentences
from bert_jax.report.markup import Content, Markup, element, table

_SHOWN = 12  # of the worst examples
_MAX_ROWS = 40  # of classes

_WORST = (
    "Where the model gave the label the least probability: the most surely wrong of its answers. "
    "Often they show labels that are themselves in doubt."
)


class Classes:
    """Counts of label and prediction, the calibration and the worst examples of a split."""

    def __init__(self) -> None:
        self.scored = 0
        self.counts = Counter[tuple[str, str]]()
        self._labels: dict[str, None] = {}  # in their order
        self._calibration = Calibration()
        self._worst = Worst(_SHOWN)

    def add(self, line: dict[str, Any]) -> None:
        """Count an example, unless its label is hidden."""
        given = as_dict(line.get("probabilities"))
        self._labels |= dict.fromkeys(given)
        if line.get("label") is None or line.get("prediction") is None:
            return
        label, said = as_text(line["label"]), as_text(line["prediction"])
        self._labels |= {label: None, said: None}
        self.scored += 1
        self.counts[label, said] += 1
        probability = as_number(given.get(said))
        if probability is not None:
            self._calibration.add(probability, label == said)
        if label != said:
            self._worst.add(-(as_number(given.get(label)) or 0.0), line)

    @property
    def labels(self) -> list[str]:
        """Every class, in the order of the model's."""
        return list(self._labels)

    def baseline(self, metric: str) -> Baseline | None:
        """Score always saying the commonest label."""
        found = self._supports()
        if not found:
            return None
        label, count = found.most_common(1)[0]
        share = count / self.scored
        f1 = 2 * share / (1 + share)  # every example of it found, `share` of the finds right
        positive = len(self.labels) > 1 and label == self.labels[1]
        values = {
            "accuracy": share,
            "f1": f1 if positive else 0.0,
            "macro_f1": f1 / len(found),
            "matthews": 0.0,
        }
        if metric not in values:
            return None
        return Baseline(values[metric], f"always saying “{short_name(label)}”")

    def parts(self, key: str) -> list[tuple[str, Content]]:
        """Return the parts of the page, each with its title."""
        return [
            ("What it takes for what", confusion(self.labels, self.counts)),
            ("Class by class", self._by_class()),
            ("How sure it is", self._calibration.part(key)),
            (
                "Where it is most surely wrong",
                cards([_card(line) for line in self._worst.lines()], _WORST),
            ),
        ]

    def _supports(self) -> Counter[str]:
        supports = Counter[str]()
        for (label, _), count in self.counts.items():
            supports[label] += count
        return supports

    def _by_class(self) -> Content:
        supports, said = self._supports(), Counter[str]()
        for (_, prediction), count in self.counts.items():
            said[prediction] += count
        rows = {x: scores(self.counts[x, x], said[x], supports[x]) for x in self.labels}
        shown = self.labels
        note = (
            "Precision: of what it calls so, how much is. Recall: of what is so, how much it finds."
        )
        if len(shown) > _MAX_ROWS:
            shown = sorted(shown, key=lambda x: (rows[x][2], x))[:_MAX_ROWS]
            note += f" Of {len(rows):,} classes, the {_MAX_ROWS} with the lowest F1."
        return [
            element("p", note, class_="explain"),
            table(
                ("", "precision", "recall", "F1", "examples", "said"),
                (
                    [
                        short_name(x),
                        *map(numbers.percent, rows[x]),
                        f"{supports[x]:,}",
                        f"{said[x]:,}",
                    ]
                    for x in shown
                ),
                "numbers",
            ),
        ]


def scores(right: int, said: int, there: int) -> tuple[float, float, float]:
    """Return precision, recall and F1, 0 where nothing was said or nothing is there."""
    f1 = 2 * right / (said + there) if said + there else 0.0
    return right / said if said else 0.0, right / there if there else 0.0, f1


def _card(line: dict[str, Any]) -> Markup:
    label, said = as_text(line["label"]), as_text(line["prediction"])
    given = as_dict(line.get("probabilities"))
    return example_card(
        as_text(line.get("place")),
        sentences(line, "text", "text_pair"),
        "label ",
        element("mark", short_name(label)),
        f" {numbers.percent(as_number(given.get(label)))}, it said ",
        element("mark", short_name(said), class_="wrong"),
        f" {numbers.percent(as_number(given.get(said)))}",
    )
