"""Whether a model is right as often as it is sure."""

from bert_jax.report import numbers
from bert_jax.report.markup import Content, element
from bert_jax.report.points import draw_points

_BINS = 10


class Calibration:
    """Answers by the probability that the model gave them, in ten bins of equal width."""

    def __init__(self) -> None:
        self._rows = [0] * _BINS
        self._right = [0] * _BINS
        self._sure = [0.0] * _BINS  # sums of probabilities

    def add(self, probability: float, right: bool) -> None:
        """Count an answer."""
        share = min(1.0, max(0.0, probability))
        bin = min(_BINS - 1, int(share * _BINS))
        self._rows[bin] += 1
        self._right[bin] += right
        self._sure[bin] += share

    @property
    def points(self) -> list[tuple[float, float, int]]:
        """Mean probability, share of right answers and number of them, of each filled bin."""
        bins = zip(self._sure, self._right, self._rows, strict=True)
        return [(sure / rows, right / rows, rows) for sure, right, rows in bins if rows]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of a point from the diagonal."""
        total = sum(self._rows)
        return sum(rows * abs(sure - right) for sure, right, rows in self.points) / (total or 1)

    def part(self, key: str) -> Content:
        """Draw how often answers are right by how sure the model is; None where it is not known."""
        points = self.points
        if not points:
            return None
        total = sum(self._rows)
        sure, right = sum(self._sure) / total, sum(self._right) / total
        verdict = "about as sure as it should be"
        if abs(sure - right) > 0.03:
            verdict = "too sure of itself" if sure > right else "less sure than it could be"
        svg = draw_points(
            [(x, y) for x, y, _ in points],
            sizes=[rows / total for _, _, rows in points],
            key=f"calibration-{key}",
            description="Share of right answers by the probability given to them",
            labels=("how sure it is", "how often it is right"),
            unit="percent",
            limits=(0.0, 1.0),
        )
        text = (
            f"On average it gives its answers {numbers.percent(sure)} and is right "
            f"{numbers.percent(right)} of the time: it is {verdict}. On the dashed line the two "
            "agree; below it the model is too sure. A larger dot stands for more answers. Their "
            f"mean distance from the line is {numbers.percent(self.error)} (expected calibration "
            "error, ten bins)."
        )
        return element("figure", svg, element("figcaption", text), class_="narrow")
