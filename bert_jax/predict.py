"""Ask a trained BERT: fill masks, tell the order of sentences, classify, answer, tag, embed.

    echo 'The capital of France is [MASK].' | \\
        python -m bert_jax.predict --model=bert-base-uncased --task=fill_mask
    python -m bert_jax.predict --model=runs/sst2 --task=classify --input=reviews.txt \\
        --output=classes.jsonl
    echo 'The cat sat on the mat because it was tired.' | \\
        python -m bert_jax.predict --model=runs/mine --task=attention --output=page.html

A line of the input is plain text, or JSON with `text`; with `text_pair` for a pair, `question` and
`context` for an answer, `words` for tags where blanks do not part them. Each is answered by a line
of JSON, in the order given. Arrays (.npz) of all lines are held in memory; nothing else is. A page
(.html) shows where the heads of any model look in the first lines.
"""

import sys
from pathlib import Path

from absl import flags

from bert_jax import cli, process
from bert_jax.errors import ConfigError

_MODEL = flags.DEFINE_string("model", None, "Folder of the model; of TF1 also a checkpoint prefix.")
_TASK = flags.DEFINE_string(
    "task", None, "fill_mask, next_sentence, classify, answer, tag, embed, logits or attention."
)
_INPUT = flags.DEFINE_string("input", "-", "File of lines, may be gzip; - for standard input.")
_OUTPUT = flags.DEFINE_string(
    "output",
    "-",
    "File to write; - for standard output. embed and logits write arrays to a name in .npz, "
    "attention writes a page to a name in .html.",
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Rows computed at a time.")
_MAX_SEQ_LENGTH = flags.DEFINE_integer(
    "max_seq_length",
    None,
    "Tokens of a row, specials included; longer text is cut, a context read in windows. "
    "Without it as many as the model has positions; attention: 128.",
)
_TOP_K = flags.DEFINE_integer("top_k", 5, "fill_mask: word pieces for each mask.")
_POOLING = flags.DEFINE_string(
    "pooling",
    "pooled",
    "embed, in JSON: 'pooled' for [CLS] through the pooler, 'mean' over a text's tokens, [CLS] "
    "and [SEP] too, or 'tokens' for a vector each.",
)
_LAYER = flags.DEFINE_integer(
    "layer",
    -1,
    "embed, in JSON: the layer that mean and tokens take; 0 are the embeddings, -1 is the last.",
)
_NULL_THRESHOLD = flags.DEFINE_float(
    "null_threshold",
    None,
    "answer: the answer is empty where the odds of there being none are above this. Without it "
    "every question is answered. A fine-tuning run's score.json has the best one.",
)


def main(_: cli.Arguments) -> None:
    """Predict; whatever is not an answer goes to standard error."""
    for name, flag in (("model", _MODEL), ("task", _TASK), ("input", _INPUT), ("output", _OUTPUT)):
        if not flag.value:
            raise ConfigError(f"--{name} is missing; --help lists the flags")
    from bert_jax.prediction.predicting import predict
    from bert_jax.prediction.scores import PredictConfig

    config = PredictConfig(
        task=str(_TASK.value),
        batch_size=_BATCH_SIZE.value,
        max_seq_length=_MAX_SEQ_LENGTH.value,
        top_k=_TOP_K.value,
        pooling=_POOLING.value,
        layer=_LAYER.value,
        null_threshold=_NULL_THRESHOLD.value,
    )
    for note in predict(Path(str(_MODEL.value)), _INPUT.value, _OUTPUT.value, config):
        print(f"note: {note}", file=sys.stderr)


if __name__ == "__main__":
    process.settle()
    cli.run(main, config=False, workdir=False)
