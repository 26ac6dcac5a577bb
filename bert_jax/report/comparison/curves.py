"""The curves of a comparison: which, and what they are called."""

from bert_jax.report.comparison.drawing import NUM_COLOURS, SettingLines, draw_settings
from bert_jax.report.comparison.runs import Comparison
from bert_jax.report.markup import Content, Markup, element
from bert_jax.report.sweep.metric import describe_metric

HELD_OUT = ("mlm_loss", "mlm_hidden_accuracy", "nsp_accuracy")  # of pretraining
_PRETRAINING = (
    *(("validation", name) for name in HELD_OUT),
    ("train", "mlm_loss"),
    ("train", "learning_rate"),
    ("train", "tokens_per_second"),
)
_OF_TRAINING = {
    "learning_rate": ("Learning rate", "number"),
    "tokens_per_second": ("Tokens a second", "short"),
}


def curves(comparison: Comparison) -> Content:
    """Draw every curve that any run has points for, a colour for each setting."""
    wanted = _PRETRAINING
    if comparison.sweep.task:
        held_out = (("validation", comparison.metric),) if comparison.metric else ()
        wanted = (*held_out, ("train", "loss"), ("train", "learning_rate"))
    keys = [key(place, label) for place, label in enumerate(comparison.settings)]
    drawn = []
    for split, name in wanted:
        lines = []
        for place, setting in enumerate(comparison.settings.values()):
            series = [one for t in setting.trials if len(one := t.series(split, name))]
            if series:
                lines.append(SettingLines(place, tuple(series)))
        if not lines:
            continue
        title, unit = _title(comparison, split, name)
        svg = draw_settings(
            lines,
            key=f"{split}-{name}".replace("_", "-"),
            description=f"{title} by step",
            unit=unit,
            noisy=split == "train" and name != "learning_rate",
        )
        head = element("header", element("h3", title), element("p", *keys, class_="legend"))
        drawn.append(
            element("figure", head, svg, element("figcaption", "By step."), class_="curve")
        )
    return element("div", *drawn, class_="grid") if drawn else None


def key(place: int, label: str) -> Markup:
    """Name a setting beside its colour."""
    return element("span", label, class_=f"key s{place % NUM_COLOURS}")


def _title(comparison: Comparison, split: str, name: str) -> tuple[str, str]:
    if name in _OF_TRAINING:
        return _OF_TRAINING[name]
    metric = describe_metric(comparison.sweep, name)
    label = "Loss" if name == "loss" else metric.label
    return f"{label}, {'held out' if split == 'validation' else 'training batches'}", metric.unit
