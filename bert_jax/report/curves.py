"""The training curves: what is drawn, what it is compared with, and how to read it."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bert_jax.report import numbers
from bert_jax.report.markup import Markup, element
from bert_jax.report.plots import Line, Reference, draw_curves
from bert_jax.report.run import Run, Series
from bert_jax.report.summary import majority_share

_SPLITS = {"train": "training batches", "validation": "held out", "probe": "probe"}


@dataclass(frozen=True)
class Curve:
    """A figure of the page."""

    metric: str
    title: str
    unit: str  # of the vertical axis: "number", "percent", "short"
    scale: str  # "fit", "zero"; gradient norms choose "log" themselves
    explain: Callable[[Run, Reference | None], str]
    reference: Callable[[Run], Reference | None] = lambda run: None
    best: int | None = None  # the step whose held-out value is marked


def curves(run: Run) -> list[Markup]:
    """Draw every curve that the run has points for."""
    return [figure for curve in _CURVES if (figure := draw_curve(run, curve))]


def draw_curve(run: Run, curve: Curve) -> Markup | None:
    """Draw a curve with its heading and words; None if the run has no points for it."""
    lines = [Line(split, run.series(split, curve.metric)) for split in _SPLITS]
    lines = [line for line in lines if line.series]
    if not lines:
        return None
    reference = curve.reference(run)
    scale = curve.scale
    noisy = curve.metric != "learning_rate"
    if curve.metric == "grad_norm" and _wide(lines[0].series):
        scale, noisy = "log", False  # a mean would make plateaus out of spikes
    svg = draw_curves(
        [Line(line.split, line.series, noisy) for line in lines],
        key=curve.metric.replace("_", "-"),
        unit=curve.unit,
        scale=scale,
        description=f"{curve.title} by step",
        reference=reference,
        best=curve.best,
    )
    text = curve.explain(run, reference)
    if scale == "log":
        text += " The scale is logarithmic."
    head = element("header", element("h3", curve.title), _legend(lines, reference))
    return element("figure", head, svg, element("figcaption", text), class_="curve")


def _legend(lines: list[Line], reference: Reference | None) -> Markup | None:
    """Name the lines, in the page and not in the figure: there they would cover each other."""
    if reference is None and all(line.split == "train" for line in lines):
        return None
    keys = [element("span", _SPLITS[line.split], class_=f"key {line.split}") for line in lines]
    if reference is not None:
        keys.append(element("span", reference.label, class_="key baseline"))
    return element("p", *keys, class_="legend")


def _wide(series: Series) -> bool:
    low = min(series.values)
    return low > 0 and max(series.values) > 30 * median(series.values)


def _entropy(run: Run) -> Reference | None:
    split = run.corpus.held_out if run.corpus else None
    if split is None or split.unigram_entropy is None:
        return None
    label = f"guessing by frequency alone: {split.unigram_entropy:.2f}"
    return Reference(split.unigram_entropy, label)


def _most_frequent(run: Run) -> Reference | None:
    split = run.corpus.held_out if run.corpus else None
    share = split.most_frequent_token_share if split else None
    if not share:
        return None
    return Reference(share, f"always the commonest word: {numbers.percent(share)}")


def _majority(run: Run) -> Reference | None:
    share = majority_share(run)
    if share is None:
        return None
    # Each phase has rows of its own, and of short ones fewer follow.
    label = f"always the commoner answer: {numbers.percent(share)}"
    return Reference(share, label, since=run.phase_start)


def _explain_loss(run: Run, reference: Reference | None) -> str:
    text = "How surprised the model is by the hidden words, in nats; lower is better."
    if reference:
        text += (
            " As long as it runs along the dashed line, the model knows only how common each"
            " word is; below it, it reads the words around the gap."
        )
    held_out = run.series("validation", "mlm_loss")
    if len(held_out) > 2 and held_out.last is not None:
        best = min(range(len(held_out)), key=held_out.values.__getitem__)
        if held_out.last > held_out.values[best] * 1.01:
            text += (
                f" Held out, it was lowest at step {held_out.steps[best]:,}"
                f" ({held_out.values[best]:.2f}) and has risen since."
            )
    return text


def _explain_accuracy(run: Run, reference: Reference | None) -> str:
    text = "How many of the hidden words the model’s first guess gets right; higher is better."
    return text + (" The dashed line needs no model at all." if reference else "")


def _explain_nsp(run: Run, reference: Reference | None) -> str:
    text = "How often the model is right about whether one piece of text follows the other."
    if reference:
        text += " On the dashed line it has learnt nothing yet; leaving it often takes a while."
    return text


def _explain_rate(run: Run, reference: Reference | None) -> str:
    series = run.series("train", "learning_rate")
    peak = max(series.values)
    top = series.steps[series.values.index(peak)]
    return (
        f"How large a step the optimizer takes: up to {numbers.plain(peak, 3)} at step {top:,}, "
        f"now {numbers.plain(series.values[-1], 3)}."
    )


def _explain_speed(run: Run, reference: Reference | None) -> str:
    values = run.series("train", "tokens_per_second").values
    return (
        f"Half of the time it was above {numbers.count(median(values))}. It should be flat: "
        "a dip is something else at work on the machine, a staircase a change of length."
    )


def _explain_hidden_accuracy(run: Run, reference: Reference | None) -> str:
    return (
        "Of the words to predict, one in five is not shown as [MASK], and half of those can be "
        "copied. These are the others: what rises above the dashed line here comes from context."
    )


def _half(run: Run) -> Reference | None:
    return Reference(0.5, "guessing, or by frequency alone: 50%")


def _explain_pairs(run: Run, reference: Reference | None) -> str:
    text = "Of two sentences that differ in little, how often the right one is the likelier."
    return text + _unsure(run, "pairs_accuracy", "pairs", "pairs")


def _commonest_label(run: Run) -> Reference | None:
    share = run.series("probe", "linear_majority").last
    if share is None:
        return None
    return Reference(share, f"always the commonest label: {numbers.percent(share)}")


def _explain_linear(run: Run, reference: Reference | None) -> str:
    text = (
        "What a linear classifier tells of sentences it was not fitted to, from the mean of the "
        "encoder’s last states, which stay as they are."
    )
    return text + _unsure(run, "linear_accuracy", "linear_sentences", "sentences")


def _unsure(run: Run, share_name: str, total_name: str, unit: str) -> str:
    """Say how far the last share of so many answers may be off."""
    share, total = (run.series("probe", name).last for name in (share_name, total_name))
    if share is None or not total:
        return ""
    margin = 1.96 * (share * (1 - share) / total) ** 0.5
    return (
        f" With {total:,.0f} {unit} a share of {numbers.percent(share)} is unsure by "
        f"±{100 * margin:.0f} points (95%)."
    )


def _explain_norm(run: Run, reference: Reference | None) -> str:
    return (
        "The size of the gradient before clipping. A calm line is a healthy run; spikes that "
        "grow come before a loss that breaks away."
    )


LEARNING_RATE = Curve("learning_rate", "Learning rate", "number", "zero", _explain_rate)
GRAD_NORM = Curve("grad_norm", "Gradient norm", "number", "zero", _explain_norm)
_CURVES = (
    Curve("mlm_loss", "Masked words: loss", "number", "fit", _explain_loss, _entropy),
    Curve(
        "mlm_accuracy",
        "Masked words: accuracy",
        "percent",
        "zero",
        _explain_accuracy,
        _most_frequent,
    ),
    Curve(
        "mlm_hidden_accuracy",
        "Words shown as [MASK]: accuracy",
        "percent",
        "zero",
        _explain_hidden_accuracy,
        _most_frequent,
    ),
    Curve("nsp_accuracy", "Next sentence: accuracy", "percent", "fit", _explain_nsp, _majority),
    Curve("pairs_accuracy", "Minimal pairs", "percent", "fit", _explain_pairs, _half),
    Curve("linear_accuracy", "Linear probe", "percent", "fit", _explain_linear, _commonest_label),
    LEARNING_RATE,
    Curve("tokens_per_second", "Tokens a second", "short", "zero", _explain_speed),
    GRAD_NORM,
)
