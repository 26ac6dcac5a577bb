"""Our pretraining put together for a case, as an entry would from config and corpus."""

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bert_jax import cli
from bert_jax.data.shards import open_corpus
from bert_jax.heap import KeptMemory
from bert_jax.runs.assembly import Pretraining
from bert_jax.runs.pretraining import assemble
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.training.prefetch import prefetched
from configs import pretrain
from experiments.benchmarks.sizes import CASES, LEARNING_RATE, VOCAB_SIZE

BATCHES = 32  # that the other side goes through again and again


def pretraining_of(case_name: str, corpus: Path, fields: Sequence[str] = ()) -> Pretraining:
    """Assemble; `fields` are "name=value" of the config."""
    case = CASES[case_name]
    config = pretrain.get_config(case.size)
    values = {
        "model.vocab_size": VOCAB_SIZE,
        "optimizer.learning_rate": LEARNING_RATE,
        "optimizer.name": "adamw",  # with bias correction, as torch has it
        "train.batch_size": case.batch_size,
        "train.max_seq_length": case.max_seq_length,
        "train.max_predictions": case.max_predictions,
        "data.path": str(corpus),
        "model.attention_probs_dropout_prob": case.probabilities_dropout,
    }
    for field in fields:
        name, _, text = field.partition("=")
        values[name] = _value(text)
    config.update_from_flattened_dict(values)
    built = cli.build(PretrainConfig, config.to_dict(), "config")
    return assemble(built, open_corpus(str(corpus)))


def _value(text: str) -> Any:
    """Read a number, a truth, a tuple; anything else is a word."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


class Stepping:
    """The step that `pretrain` runs, over its own input path."""

    def __init__(self, pretraining: Pretraining):
        phase = pretraining.plan.phases[0]
        self.stage = pretraining.stage(phase, pretraining.rows("train", phase))
        self.state = pretraining.initial_state(None)
        self.batches = prefetched(self.stage.batch, self.stage.start, self.stage.end)
        self._memory = KeptMemory()
        self._rate = np.float32(pretraining.optimizer.learning_rate)
        self._told: Any = ()

    def take(self, batch: Any) -> None:
        """Begin one step, and look at what the one before tells, as a run does."""
        largest, before = np.float32(np.inf), self._told
        self.state, self._told, _ = self.stage.train_step(self.state, batch, self._rate, largest)
        jax.device_get(before)
        self._memory.look()


def write_batches(path: Path, case_name: str, corpus: Path) -> None:
    """Write the first batches of the case, and what masking them needs, for the other side."""
    pretraining, case = pretraining_of(case_name, corpus), CASES[case_name]
    rows = pretraining.rows("train", pretraining.plan.phases[0])
    batch = rows(np.arange(BATCHES * case.batch_size))
    shape = (BATCHES, case.batch_size, -1)
    tokenizer = pretraining.tokenizer
    np.savez(
        path,
        input_ids=batch.input_ids.reshape(shape),
        token_type_ids=batch.token_type_ids.reshape(shape),
        attention_mask=batch.attention_mask.reshape(shape),
        next_sentence_label=batch.next_sentence_label.reshape(shape[:2]),
        special_ids=[tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id],
        mask_id=tokenizer.mask_id,
        token_ids=tokenizer.vocab_size,
    )
