"""What a person sees while training runs: a bar on a terminal, lines elsewhere."""

import sys
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from bert_jax.training.processes import current


class Progress:
    """Progress over the steps of a run."""

    def __init__(self, step: int, steps: int, metrics: Sequence[str] = ()) -> None:
        """Start at a step.

        Args:
            step: where the run stands.
            steps: of the whole run.
            metrics: the run's own, to be shown beside those of any run.
        """
        self._terminal = sys.stderr.isatty() and current().first
        self._steps = steps
        self._shown = _SHOWN | {name: f"{name} {{:.4g}}" for name in metrics}
        self._bar = tqdm(
            total=steps, initial=step, unit="step", disable=not self._terminal, dynamic_ncols=True
        )

    def plan(self, steps: int) -> None:
        """Say how many steps the run takes now."""
        self._steps = self._bar.total = steps
        self._bar.refresh()

    def advance(self) -> None:
        """Count a step."""
        self._bar.update()

    def metrics(self, step: int, split: str, values: dict[str, float], of: str = "") -> None:
        """Show metrics: training ones in the bar, evaluations as lines that stay.

        Args:
            step: after which they were taken.
            split: "train", "validation", "probe".
            values: by name.
            of: which run's they are, where there are several.
        """
        if self._terminal and split == "train":
            self._bar.set_postfix_str(_short(values, self._shown))
        else:
            whose = f"{of}  " if of else ""
            text = f"{whose}{split:10}  {_short(values, self._shown)}"
            self.say(f"step {step}/{self._steps}  {text}")

    def say(self, text: str) -> None:
        """Print a line without disturbing the bar."""
        if self._terminal:
            tqdm.write(text)
        else:
            print(text, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


class OneOfSeveral(Progress):
    """What is shown of one of several runs that are trained together.

    Args:
        whole: the progress of all; who trains them advances it.
        name: of this one.
        leads: whether its training metrics are shown too; those of all would be too many.
    """

    def __init__(self, whole: Progress, name: str, *, leads: bool) -> None:
        self._whole, self._name, self._leads = whole, name, leads

    def advance(self) -> None:
        """Leave that to who trains all."""

    def metrics(self, step: int, split: str, values: dict[str, float], of: str = "") -> None:
        """Show metrics under this run's name."""
        if split != "train" or self._leads:
            self._whole.metrics(step, split, values, of or self._name)

    def say(self, text: str) -> None:
        """Print a line under this run's name."""
        self._whole.say(f"{self._name}: {text}")

    def close(self) -> None:
        """Leave that to who trains all."""


_SHOWN = {
    "task_loss": "loss {:.3f}",
    "mlm_loss": "MLM loss {:.3f}",
    "mlm_accuracy": "accuracy {:.1%}",
    "mlm_hidden_accuracy": "of [MASK] {:.1%}",
    "nsp_accuracy": "NSP accuracy {:.1%}",
    "pairs_accuracy": "minimal pairs {:.1%}",
    "linear_accuracy": "linear probe {:.1%}",
    "linear_majority": "its majority {:.1%}",
    "learning_rate": "rate {:.2e}",
    "tokens_per_second": "{:,.0f} tokens/s",
    "peak_share": "{:.1%} of peak",
}


def _short(values: Mapping[str, float], shown: Mapping[str, str]) -> str:
    return "  ".join(text.format(values[name]) for name, text in shown.items() if name in values)
