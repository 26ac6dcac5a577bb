"""What was predicted of examples that have a value."""

import math
import random
from typing import Any

from bert_jax.report import numbers
from bert_jax.report.files import as_number, as_text
from bert_jax.report.finetuning.measures import Baseline
from bert_jax.report.finetuning.worst import Worst, cards, example_card, sentences
from bert_jax.report.markup import Content, Markup, element
from bert_jax.report.points import draw_points

_SHOWN = 12  # of the worst examples
_DRAWN = 600  # points
_LARGEST = 1e100  # far beyond it squares overflow, and matplotlib finds no ticks
_WORST = "Where the predicted value is farthest from the label."


class Values:
    """A sample of labels and predictions, their errors, and the worst examples of a split."""

    def __init__(self) -> None:
        self.scored = 0
        self._draw = random.Random(0)
        self._points: list[tuple[float, float]] = []  # label, prediction
        self._mean = self._spread = self._errors = 0.0  # mean and sums of squares
        self._largest = 0.0
        self._worst = Worst(_SHOWN)

    def add(self, line: dict[str, Any]) -> None:
        """Count an example, unless its label is hidden."""
        label, said = as_number(line.get("label")), as_number(line.get("prediction"))
        if label is None or said is None:
            return
        self.scored += 1
        off = label - self._mean
        self._mean += off / self.scored  # Welford's update
        self._spread += off * (label - self._mean)
        self._largest = max(self._largest, abs(label), abs(said))
        self._errors += (said - label) * (said - label)
        self._keep((label, said))
        self._worst.add(abs(said - label), line)

    def baseline(self, metric: str) -> Baseline | None:
        """Score always saying the same."""
        if metric not in ("pearson", "spearman") or not self.scored:
            return None
        return Baseline(0.0, "always saying the same value")

    def parts(self, key: str) -> list[tuple[str, Content]]:
        """Return the parts of the page, each with its title."""
        return [
            ("Label and prediction", self._scatter(key)),
            (
                "Where it is farthest off",
                cards([_card(line) for line in self._worst.lines()], _WORST),
            ),
        ]

    def _keep(self, point: tuple[float, float]) -> None:
        """Keep a sample of all points in which each is as likely."""
        if len(self._points) < _DRAWN:
            self._points.append(point)
        elif (place := self._draw.randrange(self.scored)) < _DRAWN:
            self._points[place] = point

    def _scatter(self, key: str) -> Content:
        if not self._points:
            return None
        if self._largest > _LARGEST:
            return element("p", "The values are too large to be drawn.", class_="explain")
        svg = draw_points(
            self._points,
            key=f"values-{key}",
            description="Predicted value by label",
            labels=("label", "prediction"),
        )
        error, spread = math.sqrt(self._errors / self.scored), self._spread / self.scored
        text = (
            "Each dot is an example; on the dashed line the prediction is the label. It is off by "
            f"{numbers.decimal(error)} (root of the mean square); always saying the mean label, "
            f"{numbers.decimal(self._mean)}, would be off by "
            f"{numbers.decimal(math.sqrt(max(0.0, spread)))}."
        )
        if len(self._points) < self.scored:
            text += f" Drawn are {len(self._points):,} of {self.scored:,}, chosen at random."
        return element("figure", svg, element("figcaption", text), class_="narrow")


def _card(line: dict[str, Any]) -> Markup:
    label, said = line["label"], line["prediction"]
    words = f"label {label:.2f}, it said {said:.2f}: {abs(said - label):.2f} off"
    return example_card(as_text(line.get("place")), sentences(line, "text", "text_pair"), words)
