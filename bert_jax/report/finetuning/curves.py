"""How fine-tuning went: the loss, and the metric that the best model was chosen by."""

from bert_jax.report.curves import GRAD_NORM, LEARNING_RATE, Curve, draw_curve
from bert_jax.report.finetuning.measures import Baseline
from bert_jax.report.finetuning.run import FinetuningRun
from bert_jax.report.markup import Markup
from bert_jax.report.plots import Reference
from bert_jax.report.run import Run


def curves(finetuning: FinetuningRun, baseline: Baseline | None) -> list[Markup]:
    """Draw every curve that the run has points for."""
    shown = [_metric(finetuning, baseline), _loss(finetuning), LEARNING_RATE, GRAD_NORM]
    drawn = [draw_curve(finetuning.run, curve) for curve in shown if curve]
    return [figure for figure in drawn if figure]


def _metric(finetuning: FinetuningRun, baseline: Baseline | None) -> Curve | None:
    name, best = finetuning.primary, finetuning.best_step
    if not name or best is None:
        return None
    measure = finetuning.measure(name)

    def explain(run: Run, reference: Reference | None) -> str:
        text = f"{measure.meaning[:1].upper()}{measure.meaning[1:]}; higher is better. "
        text += f"The ring marks the best, at step {best:,}: that model is kept."
        if run.series("train", name):
            text += " On training batches it is that of a batch each."
        return text

    reference = None
    if baseline:
        label = f"{baseline.guess}: {measure.write(baseline.value)}"
        reference = Reference(baseline.value, label)
    return Curve(
        metric=name,
        title=measure.label,
        unit="percent" if measure.in_percent else "number",
        scale="fit",
        explain=explain,
        reference=lambda run: reference,
        best=best,
    )


def _loss(finetuning: FinetuningRun) -> Curve:
    def explain(run: Run, reference: Reference | None) -> str:
        text = "How far the model is from saying the labels with certainty; lower is better."
        held_out = run.series("validation", "task_loss")
        if len(held_out) > 1 and held_out.values[-1] > 1.05 * min(held_out.values):
            lowest = held_out.steps[held_out.values.index(min(held_out.values))]
            text += (
                f" Held out, it was lowest at step {lowest:,} and has risen since: the model has "
                "begun to learn its training examples by heart."
            )
        return text

    return Curve("task_loss", "Loss", "number", "fit", explain)
