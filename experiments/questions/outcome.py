"""What became of the arms of a question: kept as files, drawn, and counted in a table."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from bert_jax.report.sweep.trial import Trial

CURVES = ("mlm_loss", "mlm_accuracy", "mlm_hidden_accuracy", "nsp_accuracy")
LEFT = 0.1  # accuracy where [MASK] is shown that no model without context has: half of it is "the"
COLORS = ("#1f6f8b", "#c4612d", "#6a4c93", "#3b7d3a", "#8a8a8a", "#b0963a")
NAMES = {
    "left": "off the plateau, M tokens",
    "mlm_loss": "MLM loss, nats",
    "mlm_accuracy": "MLM accuracy, %",
    "mlm_hidden_accuracy": "where [MASK] is shown, %",
    "nsp_accuracy": "NSP accuracy, %",
    "pairs_accuracy": "minimal pairs, %",
    "sst2": "SST-2 accuracy, %",
    "mrpc": "MRPC F1, %",
    "qnli": "QNLI accuracy, %",
}
UNITS = {"left": 1e-6, "mlm_loss": 1.0}  # all others are shares, shown in percent


@dataclass
class Outcome:
    """A run of an arm, and how its model did on tasks."""

    arm: str
    seed: int
    trial: Trial
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """All that it is judged by: held out, after the last step, and on tasks."""
        ends = {name: self.trial.series("validation", name).last for name in CURVES}
        ends["pairs_accuracy"] = self.trial.series("probe", "pairs_accuracy").last
        found = {"left": self.left} | {k: v for k, v in ends.items() if v is not None}
        return found | self.scores

    @property
    def left(self) -> float:
        """Tokens after which it was first seen off the plateau; nan: never."""
        curve = self.trial.series("validation", "mlm_hidden_accuracy")
        steps = [s for s, v in zip(curve.steps, curve.values, strict=True) if v >= LEFT]
        return steps[0] * self.tokens_per_step if steps else float("nan")

    @property
    def tokens_per_step(self) -> int:
        """Tokens of a step, padding included."""
        assert self.trial.run is not None
        train = self.trial.run.config["train"]
        return train["batch_size"] * train["max_seq_length"]


def write(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write `results.csv`, a line a run and value, and `curves.csv`, one an evaluation."""
    with open(folder / "results.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("arm", "seed", "name", "value"))
        for outcome in outcomes:
            for name, value in outcome.values.items():
                rows.writerow((outcome.arm, outcome.seed, name, f"{value:.6g}"))
    with open(folder / "curves.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("arm", "seed", "split", "name", "tokens", "value"))
        for outcome in outcomes:
            for split, names in (("validation", CURVES), ("probe", ("pairs_accuracy",))):
                for name in names:
                    curve = outcome.trial.series(split, name)
                    for step, value in zip(curve.steps, curve.values, strict=True):
                        tokens = step * outcome.tokens_per_step
                        row = (outcome.arm, outcome.seed, split, name, tokens, f"{value:.5g}")
                        rows.writerow(row)


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Draw what was held out by tokens seen, a line a run, and what each run ended with."""
    ends = [name for name in NAMES if any(name in o.values for o in outcomes)][3:]
    arms = list(dict.fromkeys(outcome.arm for outcome in outcomes))
    figure, axes = plt.subplots(
        1, 1 + len(ends), figsize=(5.5 + 1.6 * len(ends), 3.4), layout="constrained",
        width_ratios=[3] + [1] * len(ends),
    )  # fmt: skip
    for outcome in outcomes:
        color = COLORS[arms.index(outcome.arm)]
        curve = outcome.trial.series("validation", "mlm_hidden_accuracy")
        tokens = np.array(curve.steps) * outcome.tokens_per_step * UNITS["left"]
        label = outcome.arm if outcome.seed == outcomes[0].seed else None
        axes[0].plot(tokens, 100 * np.array(curve.values), color=color, lw=1.2, label=label)
        for place, name in zip(axes[1:], ends, strict=True):
            if name in outcome.values:
                x = arms.index(outcome.arm) + 0.12 * (outcome.seed - 1)
                place.plot(x, _shown(name, outcome.values[name]), "o", color=color, ms=5)
    axes[0].set_xlabel("tokens, M")
    axes[0].set_title("held-out accuracy where [MASK] is shown, %", fontsize=9, loc="left")
    axes[0].legend(frameon=False, fontsize=8)
    for place, name in zip(axes[1:], ends, strict=True):
        place.set_title(NAMES[name].replace(", %", ",\n%"), fontsize=9, loc="left")
        place.set_xticks([])
        place.set_xlim(-0.6, len(arms) - 0.4)
    for place in axes:
        place.spines[["top", "right"]].set_visible(False)
        place.tick_params(labelsize=8)
    figure.savefig(path, dpi=110)


def table(outcomes: Sequence[Outcome]) -> str:
    """Lay out, in Markdown, means over the seeds with their standard errors."""
    arms = list(dict.fromkeys(outcome.arm for outcome in outcomes))
    lines = ["| | " + " | ".join(arms) + " |", "| --- |" + " --- |" * len(arms)]
    for name, label in NAMES.items():
        cells = []
        for arm in arms:
            values = [o.values[name] for o in outcomes if o.arm == arm and name in o.values]
            cells.append(_cell([_shown(name, value) for value in values]))
        if any(cells):
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    reached = [value for value in values if np.isfinite(value)]
    if len(reached) < len(values):
        return f"{len(reached)} of {len(values)} runs" if reached else "never"
    digits = 1 if max(values) >= 10 else 2
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    error = np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.{digits}f} ± {error:.{digits}f}"


def _shown(name: str, value: float) -> float:
    return UNITS.get(name, 100.0) * value
