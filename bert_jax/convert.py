"""Convert a BERT: Hugging Face folder, TF1 checkpoint or run of ours, to Hugging Face or to ours.

    python -m bert_jax.convert --input=bert-base-uncased --output=models/base --to=bert_jax
    python -m bert_jax.convert --input=runs/quickstart --output=exported --to=huggingface

What the input is, is found out. The output is a new folder.
"""

from pathlib import Path

from absl import flags

from bert_jax import cli, process
from bert_jax.errors import ConfigError

_FORMATS = ("huggingface", "bert_jax")
_INPUT = flags.DEFINE_string("input", None, "Folder of the model; of TF1 also a checkpoint prefix.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder to make.")
_TO = flags.DEFINE_string("to", None, f"What to make: {' or '.join(_FORMATS)}.")
_POSITIONS = flags.DEFINE_integer(
    "max_position_embeddings",
    None,
    "Cut the position embeddings to so many, or extend them with newly drawn ones.",
    lower_bound=1,
)


def main(_: cli.Arguments) -> None:
    """Convert, and print what became of each parameter."""
    from bert_jax.runs.conversion import convert

    source, target = _INPUT.value, _OUTPUT.value
    if not source:
        raise ConfigError("--input is missing: name a model's folder")
    if not target:
        raise ConfigError("--output is missing: name the folder to make")
    if _TO.value not in _FORMATS:
        raise ConfigError(f"--to={_TO.value or ''}: wants {' or '.join(_FORMATS)}")
    table = convert(Path(source), Path(target), to=_TO.value, positions=_POSITIONS.value)
    print(f"{table}\n{target}: written")


if __name__ == "__main__":
    process.settle()
    cli.run(main, config=False, workdir=False)
