"""Export models to be read by `transformers`: the six of huggingface_models, and a run of ours.

    python -m experiments.parity.exports MODELS RUN OUT

MODELS is what huggingface_models wrote, RUN the folder of a pretraining run. Beside the run's
export lies what the run itself says of some masked words. huggingface_exports compares.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import bert_jax
from bert_jax.interop.huggingface import read_huggingface, write_huggingface
from bert_jax.runs.conversion import convert

TEXTS = (
    "Return the [MASK] of the given object.",
    "Raise an error if the [MASK] does not exist.",
    "The [MASK] argument is optional.",
    "[MASK] is a list of strings, one for each line of the file.",
)
WORDS = 5


def fill_mask(run: Path) -> dict[str, list[dict]]:
    """Say the most probable words for each [MASK]."""
    model = bert_jax.load(run)
    tokenizer = model.tokenizer
    said = {}
    for text in TEXTS:
        before, after = tokenizer.encode_batch(text.split("[MASK]"))
        ids = [tokenizer.cls_id, *before, tokenizer.mask_id, *after, tokenizer.sep_id]
        rows = jnp.asarray([ids], jnp.int32)
        place = jnp.asarray([[1 + len(before)]], jnp.int32)
        logits = model.module.apply(
            {"params": model.params}, rows, jnp.zeros_like(rows), jnp.ones_like(rows), place
        ).masked_language_model
        # Rows beyond the tokenizer's pieces only round the vocabulary up; an export has none.
        probabilities = np.asarray(jax.nn.softmax(logits[0, 0, : tokenizer.vocab_size]))
        best = np.argsort(-probabilities)[:WORDS]
        said[text] = [
            {"token": tokenizer.id_to_token(int(i)), "probability": float(probabilities[i])}
            for i in best
        ]
    return said


def main(models: Path, run: Path, out: Path) -> None:
    """Write an exported folder for each model, and fill_mask.json."""
    for directory in sorted(path for path in models.iterdir() if path.is_dir()):
        model = read_huggingface(directory / "model")
        write_huggingface(
            out / directory.name, model.config, model.kind, model.labels, model.arrays, None
        )
    convert(run, out / "run", to="huggingface")
    (out / "fill_mask.json").write_text(json.dumps(fill_mask(run), indent=2) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
