"""The smallest of everything: a text, a run of seconds, and the commands for them."""

import random
import sys
from pathlib import Path
from typing import Any

STEPS = 60
# Dropout is on so that its keys matter; what is logged, evaluated and saved are different steps.
FIELDS: dict[str, Any] = {
    "prepare.tokenizer.vocab_size": 64,
    "prepare.validation_share": 0.2,
    "prepare.format": "sentences",
    "prepare.workers": 1,
    "model.hidden_size": 16,
    "model.num_hidden_layers": 2,
    "model.num_attention_heads": 2,
    "model.intermediate_size": 32,
    "model.max_position_embeddings": 48,
    "model.hidden_dropout_prob": 0.1,
    "model.attention_probs_dropout_prob": 0.1,
    "optimizer.warmup_steps": 5,
    "train.steps": STEPS,
    "train.batch_size": 8,
    "train.max_seq_length": 16,
    "train.max_predictions": 3,
    "train.log_every": 2,
    "train.eval_every": 6,
    "train.eval_sequences": 32,
    "train.samples": 2,
    "train.checkpoint_every": 4,
    "train.keep_checkpoints": 2,
}


def make_text(documents: int, seed: int = 0) -> str:
    """Write documents of 1 to 9 sentences of invented words, a blank line between them."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(2, 4))) for _ in range(40)]

    def sentence() -> str:
        return " ".join(draw.choices(words, k=draw.randint(3, 9))).capitalize() + "."

    texts = ["\n".join(sentence() for _ in range(draw.randint(1, 9))) for _ in range(documents)]
    return "\n\n".join(texts) + "\n"


def write_text(path: Path) -> Path:
    """Write the text that toy runs are trained on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(make_text(120))
    return path


def run_values(data: Path, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Give the config of a toy run as plain values.

    Args:
        data: text or a prepared folder.
        changes: further overrides, by dotted name.
    """
    from configs import quickstart

    config = quickstart.get_config()
    config.update_from_flattened_dict(FIELDS | {"data.path": str(data)} | (changes or {}))
    return config.to_dict()


def pretrain_command(data: Path, workdir: Path, changes: dict[str, Any] | None = None) -> list[str]:
    """Give the command of a toy run."""
    fields = FIELDS | {"data.path": data} | (changes or {})
    return [
        *(sys.executable, "-m", "bert_jax.pretrain", "--config=configs/quickstart.py"),
        *(f"--config.{name}={value}" for name, value in fields.items()),
        f"--workdir={workdir}",
    ]


def prepare_command(data: Path, output: Path) -> list[str]:
    """Give the command that prepares a text as toy runs do."""
    name = "prepare."
    fields = {k.removeprefix(name): v for k, v in FIELDS.items() if k.startswith(name)}
    fields |= {"input": data, "output": output}
    return [
        *(sys.executable, "-m", "bert_jax.prepare", "--config=configs/prepare.py"),
        *(f"--config.{field}={value}" for field, value in fields.items()),
    ]


def export_command(run: Path, output: Path, to: str) -> list[str]:
    """Give the command that converts a run to a form."""
    return [
        *(sys.executable, "-m", "bert_jax.convert"),
        *(f"--input={run}", f"--output={output}", f"--to={to}"),
    ]


def assemble(corpus: Path, changes: dict[str, Any] | None = None) -> Any:
    """Put a toy run together in this process."""
    from bert_jax import cli
    from bert_jax.data.shards import open_corpus
    from bert_jax.runs.pretraining import assemble
    from bert_jax.runs.pretraining_config import PretrainConfig

    values = run_values(corpus, changes)
    return assemble(cli.build(PretrainConfig, values, "config"), open_corpus(corpus))
