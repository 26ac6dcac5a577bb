"""Predictions of a trained model for lines of text, in the order given."""

from collections.abc import Callable
from pathlib import Path

from bert_jax.data.lines import ReadReport
from bert_jax.errors import ConfigError
from bert_jax.heap import KeptMemory
from bert_jax.prediction.arrays import write_arrays
from bert_jax.prediction.attention import for_a_page, write_attention
from bert_jax.prediction.heads import check_task
from bert_jax.prediction.lines import STANDARD_STREAM, check_source, read_chunks
from bert_jax.prediction.output import open_output, write_lines
from bert_jax.prediction.scores import Answer, PredictConfig, Scorer
from bert_jax.prediction.spans import answer_question, tag
from bert_jax.prediction.texts import classify, embed, fill_mask, next_sentence
from bert_jax.runs.models import load
from bert_jax.tasks.reading import describe_oddities

ARRAYS, PAGE = ".npz", ".html"
WITH_ARRAYS, WITH_PAGE = ("embed", "logits"), ("attention",)

ANSWERS: dict[str, Callable[[Scorer], Answer]] = {
    "fill_mask": fill_mask,
    "next_sentence": next_sentence,
    "classify": classify,
    "answer": answer_question,
    "tag": tag,
    "embed": embed,
}


def predict(model: Path, source: str, target: str, config: PredictConfig) -> tuple[str, ...]:
    """Answer every line of the input, and return what the user should hear about it.

    A line of JSON is written for each, some at a time, so memory does not grow with the input;
    arrays (.npz) are written at the end and grow with it. A page (.html) is of the first lines.

    Args:
        model: a run's folder, a Hugging Face folder or a TF1 checkpoint.
        source: a file, or "-" for standard input.
        target: a file, or "-" for standard output.
        config: what to do.

    Raises:
        ConfigError: the task does not fit the model or the output, or a flag the model.
        CheckpointError: the model cannot be read, or lacks what the task needs.
        DataError: the input cannot be read, or a line does not have what the task needs.
    """
    arrays = target.endswith(ARRAYS)
    if arrays and config.task not in WITH_ARRAYS:
        raise ConfigError(
            f"--output={target}: --task={config.task} writes JSON lines, not {ARRAYS}"
        )
    if config.task == "logits" and not arrays:
        raise ConfigError(f"--output={target}: --task=logits writes arrays; name a {ARRAYS} file")
    page = config.task in WITH_PAGE
    if page and target != STANDARD_STREAM and not target.endswith(PAGE):
        raise ConfigError(
            f"--output={target}: --task={config.task} writes a page; name a {PAGE} file"
        )
    check_source(source)
    report = ReadReport()
    with open_output(target) as out:
        loaded = load(model)
        check_task(config.task, loaded, model)
        options = for_a_page(config, loaded) if page else config
        scorer = Scorer(loaded, options, report)
        chunks = read_chunks(source, report)
        if arrays:
            write_arrays(out, scorer, chunks, config.task)
        elif page:
            write_attention(out, scorer, chunks, model.resolve().name)
        else:
            answer = ANSWERS[config.task](scorer)
            memory = KeptMemory()
            for lines in chunks:
                write_lines(out, answer(lines))
                memory.look()
    return describe_oddities(report)
