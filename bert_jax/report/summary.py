"""The top of the page: what was trained, how far it is, and the few figures that matter."""

import math
from datetime import datetime
from statistics import median

from bert_jax.report import numbers
from bert_jax.report.files import as_number, as_text
from bert_jax.report.markup import Content, Markup, element
from bert_jax.report.run import Run
from bert_jax.report.tile import tile

_QUIET_AFTER = 15 * 60  # seconds without a line before a run is asked after
_MAX_NOTES = 40


def total_steps(run: Run) -> int | None:
    """Return the number of steps that the run is to take."""
    steps = run.planned_steps or as_number(run.setting("train.steps"))
    return int(steps) if steps else None


def majority_share(run: Run) -> float | None:
    """Return what always giving the commoner next-sentence answer gets right on held-out pairs."""
    pairs = run.pairs.get("validation")
    if pairs is None or pairs.is_next_share is None:
        return None
    return max(pairs.is_next_share, 1 - pairs.is_next_share)


def status_pill(run: Run) -> Markup | None:
    """Say in a word how the run is."""
    if not run.status:
        return None
    known = run.status if run.status in ("running", "finished", "stopped") else "other"
    return element("span", run.status, class_=f"pill {known}")


def lede(run: Run) -> Markup:
    """Tell in a few plain sentences what was trained and how good it is."""
    sentences: list[str] = [_what(run), _mlm(run), _nsp(run)]
    return element("p", " ".join(sentence for sentence in sentences if sentence), class_="lede")


def warnings(run: Run, written: datetime) -> Markup | None:
    """Show what the run told its user and what the report could not read."""
    items: list[Content] = []
    shown = run.notes[-_MAX_NOTES:]
    if len(shown) < len(run.notes):
        items.append(element("li", f"{len(run.notes) - len(shown):,} earlier notes: notes.jsonl."))
    for note in shown:
        step = element("b", f"Step {note.step:,}. ") if note.step is not None else None
        items.append(element("li", step, note.text))
    quiet = written.timestamp() - run.last_write if run.last_write is not None else 0
    if run.status == "running" and quiet > _QUIET_AFTER:
        text = f"No new line of metrics for {numbers.duration(quiet)}: the run may have been "
        items.append(element("li", text, "killed. The same command again continues it."))
    items.extend(element("li", problem) for problem in run.problems)
    if not items:
        return None
    return element("aside", element("ul", *items), class_="notes", aria_label="Notes from the run")


def tiles(run: Run) -> Markup | None:
    """Show the headline figures, each with what it is to be compared with."""
    found = [
        made
        for made in (
            _mlm_tile(run),
            _nsp_tile(run),
            _perplexity_tile(run),
            _speed_tile(run),
            _progress_tile(run),
        )
        if made
    ]
    return element("div", *found, class_="tiles") if found else None


def _what(run: Run) -> str:
    parameters = f"{numbers.words(run.num_parameters)} parameters" if run.num_parameters else ""
    layers = as_number(run.setting("model.num_hidden_layers"))
    width = as_number(run.setting("model.hidden_size"))
    shape = f"{layers:.0f} layers of width {width:.0f}" if layers and width else ""
    model = "A BERT"
    if parameters or shape:
        model += f" of {parameters or shape}" + (f" ({shape})" if parameters and shape else "")
    train = run.corpus.splits.get("train") if run.corpus else None
    text = ""
    if train and train.tokens:
        text = f" on {numbers.words(train.tokens)} tokens of text"
        if train.documents:
            text += f" from {numbers.words(train.documents)} documents"
    steps, total = f"{run.last_step:,}", total_steps(run)
    if not run.last_step:
        return f"{model}{', to be trained' + text if text else ''}. No step is recorded yet."
    if total and run.last_step < total:
        steps = f"{run.last_step:,} of {total:,}"
    return f"{model}, trained for {steps} steps{text}."


def _mlm(run: Run) -> str:
    accuracy = _hidden_accuracy(run)
    if accuracy is None:
        return ""
    text = f"It fills in {numbers.percent(accuracy)} of the hidden words in text it never saw"
    share, token = _most_frequent(run)
    if not share:
        return text + "."
    always = f"always answering “{token}”" if token else "always giving the commonest one"
    if accuracy < 1.3 * share:
        better = "no" if accuracy < 1.05 * share else "hardly"
        return f"{text}, which is {better} better than {always} ({numbers.percent(share)})."
    return f"{text}: {accuracy / share:.1f} times as many as {always} would."


def _nsp(run: Run) -> str:
    accuracy, share = run.series("validation", "nsp_accuracy").last, majority_share(run)
    if accuracy is None:
        return ""
    text = (
        "Shown two pieces of text, it tells whether one follows the other and is right "
        f"{numbers.percent(accuracy)} of the time"
    )
    if share is None:
        return text + "."
    if accuracy < share + 0.01:
        return f"{text}, as always giving the commoner answer is ({numbers.percent(share)})."
    return f"{text}, against {numbers.percent(share)} for always giving the commoner answer."


def _mlm_tile(run: Run) -> Markup | None:
    accuracy = _hidden_accuracy(run)
    if accuracy is None:
        return None
    share, token = _most_frequent(run)
    if not share:
        return tile("Masked words right", numbers.percent(accuracy), "held out", accuracy)
    ratio: Content = element("b", f"{accuracy / share:.1f}×")
    guess: Content = ("always guessing ", element("q", token)) if token else "the commonest guess"
    return tile(
        "Masked words right",
        numbers.percent(accuracy),
        [ratio, " ", guess, f" ({numbers.percent(share)})"],
        accuracy,
        share,
    )


def _nsp_tile(run: Run) -> Markup | None:
    accuracy, share = run.series("validation", "nsp_accuracy").last, majority_share(run)
    if accuracy is None:
        return None
    if share is None:
        return tile("Next sentence right", numbers.percent(accuracy), "held out", accuracy)
    points = 100 * (accuracy - share)
    sign = "+" if points >= 0 else "−"
    text = [
        element("b", f"{sign}{abs(points):.1f} points"),
        f" on the commoner answer ({numbers.percent(share)})",
    ]
    return tile("Next sentence right", numbers.percent(accuracy), text, accuracy, share)


def _perplexity_tile(run: Run) -> Markup | None:
    perplexity = run.series("validation", "mlm_perplexity").last
    loss = run.series("validation", "mlm_loss").last
    if perplexity is None and loss is not None and loss < 700:
        perplexity = math.exp(loss)
    if perplexity is None:
        return None
    split = run.corpus.held_out if run.corpus else None
    entropy = split.unigram_entropy if split else None
    text = "as unsure as if choosing among so many words"
    if entropy is not None and entropy < 700:
        text = [element("b", numbers.decimal(math.exp(entropy))), " by frequency alone"]
    return tile("Perplexity", numbers.decimal(perplexity), text)


def _speed_tile(run: Run) -> Markup | None:
    speed = run.series("train", "tokens_per_second")
    if not speed:
        return None
    parts = []
    if values := run.series("train", "sequences_per_second").values:
        parts.append(f"{numbers.count(median(values))} sequences/s")
    if values := run.series("train", "model_flops_per_second").values:
        parts.append(f"{numbers.short(median(values))}FLOP/s")
    if values := run.series("train", "peak_share").values:
        parts.append(f"{numbers.percent(median(values))} of the device’s peak")
    # The median: the first step compiles and a few wait for a checkpoint or an evaluation.
    return tile("Tokens a second", numbers.count(median(speed.values)), ", ".join(parts))


def _progress_tile(run: Run) -> Markup | None:
    total = total_steps(run)
    if not run.last_step:
        return None
    if not total:
        return tile("Steps", numbers.count(run.last_step), run.status)
    share = min(1.0, run.last_step / total)
    text = f"{run.last_step:,} of {total:,} steps"
    speed = run.series("train", "sequences_per_second").values
    batch = as_number(run.setting("train.batch_size"))
    if share < 1 and run.status == "running" and speed and batch:
        left = (total - run.last_step) * batch / max(median(speed), 1e-9)
        text += f", {numbers.duration(left)} left"
    whole = "100%" if share == 1 else f"{math.floor(100 * share)}%"
    return tile("Progress", whole, text, share)


def _hidden_accuracy(run: Run) -> float | None:
    """Find how often the model is right where it sees [MASK]; older runs know of all together."""
    hidden = run.series("validation", "mlm_hidden_accuracy").last
    return run.series("validation", "mlm_accuracy").last if hidden is None else hidden


def _most_frequent(run: Run) -> tuple[float | None, str]:
    split = run.corpus.held_out if run.corpus else None
    if split is None:
        return None, ""
    return split.most_frequent_token_share, as_text(split.most_frequent_token)
