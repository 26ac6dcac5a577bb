"""What the metric of a sweep is called and how it is written."""

from dataclasses import dataclass

from bert_jax.report.finetuning.measures import measure
from bert_jax.report.sweep.folder import Sweep

_OF_PRETRAINING = {
    "loss": "Loss",
    "mlm_loss": "Loss of masked words",
    "mlm_accuracy": "Accuracy on masked words",
    "mlm_hidden_accuracy": "Accuracy on words shown as [MASK]",
    "mlm_perplexity": "Perplexity of masked words",
    "nsp_loss": "Loss of next sentence",
    "nsp_accuracy": "Accuracy on next sentence",
}


@dataclass(frozen=True)
class Metric:
    """A metric in words; `unit` is how axes write it: "number" or "percent"."""

    label: str
    unit: str
    digits: int

    def write(self, value: float | None) -> str:
        """Write a value."""
        if value is None:
            return "–"
        if self.unit == "percent":
            return f"{100 * value:.{self.digits}f}%"
        return f"{value:.{self.digits}f}"

    def write_error(self, value: float | None) -> str:
        """Write a standard error, "" where it is not known."""
        return "" if value is None else f"± {self.write(value)}"


def describe_metric(sweep: Sweep, name: str) -> Metric:
    """Describe a metric of a sweep by its name."""
    if name in _OF_PRETRAINING and sweep.verb == "pretrain":
        unit = "percent" if name.endswith("accuracy") else "number"
        return Metric(_OF_PRETRAINING[name], unit, 2 if unit == "percent" else 4)
    of_answers = any("exact_match" in (trial.metrics or {}) for trial in sweep.trials)
    found = measure(name, of_answers)
    if found.in_percent:
        return Metric(found.label, "percent", 1)
    return Metric(found.label, "number", 1 if found.perfect == 100 else 4)
