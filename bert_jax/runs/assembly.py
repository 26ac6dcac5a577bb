"""Pretraining put together: a step, a corpus and what is looked at become what the loop runs."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from bert_jax.data.batches import PretrainingRows
from bert_jax.data.rows import RowFormat
from bert_jax.data.samples import choose_samples
from bert_jax.data.shards import Corpus
from bert_jax.data.tokenizers import Tokenizer
from bert_jax.errors import ConfigError, DataError
from bert_jax.model import BertConfig
from bert_jax.probes.probing import ProbeConfig, make_probe
from bert_jax.runs.fitting import fit
from bert_jax.runs.models import read_model, read_tokenizer
from bert_jax.runs.pretraining_step import PretrainingStep
from bert_jax.training.evaluation import FillMask, HeldOut
from bert_jax.training.hints import PlateauHint, context_free_loss
from bert_jax.training.phases import Phase
from bert_jax.training.sharding import gathered, placed
from bert_jax.training.stage import Evaluation, Probe, Stage
from bert_jax.training.state import TrainState, replaced
from bert_jax.training.step import make_eval_step
from bert_jax.training.together import together

# The held-out rows and their masks are the same whatever the run's seed, so runs can be compared.
EVALUATION_SEED = 15_07_2019

OUTPUT_BIASES = ("zeros", "frequencies")

# What has to be the same in a model whose parameters are taken over.
ARCHITECTURE = (
    *("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size"),
    *("type_vocab_size", "hidden_act", "layer_norm_eps", "normalization", "tie_word_embeddings"),
)


@dataclass(frozen=True)
class Pretraining(PretrainingStep):
    """Everything that training needs beside its step, as pure functions of its fields."""

    corpus: Corpus
    tokenizer: Tokenizer
    output_bias: str
    dupe_factor: int
    eval_sequences: int
    samples: int
    probing: ProbeConfig

    def initial_state(self, init_from: str | None) -> TrainState:
        """Draw the parameters, each part on the device that holds it, or take another model's.

        Args:
            init_from: a model whose parameters to begin with: a run's folder, a Hugging Face
                folder or a TF1 checkpoint; None draws them.

        Raises:
            CheckpointError: there is no good checkpoint.
            ConfigError: its architecture is another one.
            DataError: its tokenizer is another one.
        """
        shardings = jax.tree.map(lambda leaf: leaf.sharding, self.abstract_state)
        state = jax.jit(self._initialize, out_shardings=shardings)()
        if init_from is None:
            return state
        other = read_model(Path(init_from))
        if read_tokenizer(other).fingerprint != self.tokenizer.fingerprint:
            raise DataError(
                f"config.init_from={init_from}: its tokenizer is not the one that "
                f"{self.corpus.directory} was prepared with; prepare the text with its own: "
                f"--config.prepare.tokenizer.path={other.tokenizer}"
            )
        self._check_architecture(other.config, init_from)
        fitted = fit(other, gathered(state.params))
        print(f"parameters from {init_from}:\n{fitted.table()}")
        return dataclasses.replace(state, params=placed(fitted.params, shardings.params))

    def _check_architecture(self, other: BertConfig, init_from: str) -> None:
        """Refuse a model of which parameters do not fit, or would mean something else."""
        differing = {
            name: getattr(other, name)
            for name in ARCHITECTURE
            if getattr(self.model, name) != getattr(other, name)
        }
        if differing:
            flags = " ".join(f"--config.model.{name}={value}" for name, value in differing.items())
            raise ConfigError(
                f"config.init_from={init_from} is of another architecture than config.model; "
                f"say {flags}"
            )

    def rows(self, split: str, phase: Phase) -> PretrainingRows:
        """Give the rows of a split in the format of a phase; held-out ones are never packed."""
        training, tokenizer = split == "train", self.tokenizer
        seed = self.seed if training else EVALUATION_SEED
        row = RowFormat(
            phase.max_seq_length,
            tokenizer.pad_id,
            tokenizer.cls_id,
            tokenizer.sep_id,
            phase.packed_length if training else 0,
            phase.packed_sequences if training else 1,
        )
        return PretrainingRows(self.corpus.splits[split], self.pairs, row, (seed, phase.index))

    def stage(self, phase: Phase, rows: PretrainingRows) -> Stage:
        """Compile-ready training of one phase over its rows."""
        batch, rows_of = self._batches(phase, rows)
        statistics = rows.statistics()
        tokens = phase.batch_size * phase.row_length
        return Stage(
            start=phase.start,
            end=phase.end,
            train_step=together(self.train_step(phase, self._repeat_after(phase, rows))),
            batch=batch,
            rows=rows_of,
            shardings=jax.tree.map(lambda leaf: leaf.sharding, self.abstract_state),
            sequences=phase.batch_size * statistics["pairs_per_row"],
            tokens=tokens,
            useful_tokens=tokens * (1 - statistics["padding_share"]),
            flops=self.flops(phase),
            evaluation=self._evaluation(phase),
            probe=self._probe,
        )

    def moved(self, stage: Stage, phase: Phase, rows: PretrainingRows) -> Stage:
        """Let a phase that may not have begun yet begin and end elsewhere, compiled as it is."""
        batch, rows_of = self._batches(phase, rows)
        return dataclasses.replace(
            stage, start=phase.start, end=phase.end, batch=batch, rows=rows_of
        )

    def _batches(
        self, phase: Phase, rows: PretrainingRows
    ) -> tuple[Callable[[int], Any], Callable[[int], NDArray[np.int64]]]:
        repeat_after = self._repeat_after(phase, rows)

        def rows_of(step: int) -> NDArray[np.int64]:
            place = step - phase.start
            first = (place % repeat_after if repeat_after else place) * phase.batch_size
            return np.arange(first, first + phase.batch_size)

        def batch(step: int) -> Any:
            return self.sharding.batch_of(
                phase.batch_size, lambda places: rows(rows_of(step)[places])
            )

        return batch, rows_of

    def _repeat_after(self, phase: Phase, rows: PretrainingRows) -> int:
        """Count the steps that the copies of the text last; 0: there are ever new ones."""
        return -(-self.dupe_factor * rows.rows_per_epoch // phase.batch_size)

    def _initialize(self) -> TrainState:
        state = super()._initialize()
        if self.output_bias == "zeros":
            return state
        bias = {"masked_language_model": {"bias": self._log_shares}}
        return dataclasses.replace(state, params=replaced(state.params, bias))

    @functools.cached_property
    def _log_shares(self) -> NDArray[np.float32]:
        """The log of each token's share of the text, as if each had been seen once more: [V].

        With it for a bias the model begins at the loss of guessing by frequency, and need not
        spend its first steps, and a direction of its embeddings, on that.
        """
        counts = self.corpus.splits["train"].token_counts(self.model.vocab_size) + 1
        return np.log(counts / counts.sum()).astype(np.float32)

    @functools.cached_property
    def _probe(self) -> Probe | None:
        apply = self.module.apply
        encode = functools.partial(apply, method=lambda module, *of: module.bert.encode(*of)[-1])
        positions = self.model.max_position_embeddings
        everywhere = self.sharding.replicated
        return make_probe(self.probing, apply, encode, self.tokenizer, positions, everywhere)

    def _evaluation(self, phase: Phase) -> Evaluation | None:
        split = self.corpus.splits.get("validation")
        if split is None:
            return None
        objective = self.objective(phase, evaluation=True)
        eval_step = together(
            jax.jit(make_eval_step(objective), out_shardings=self.sharding.replicated)
        )
        held_out = HeldOut(
            self.rows("validation", phase),
            eval_step,
            self.sharding,
            jax.random.key(EVALUATION_SEED),
            sequences=self.eval_sequences,
            batch_size=phase.batch_size,
        )
        positions = self.model.max_position_embeddings
        samples = choose_samples(split, self.tokenizer, self.samples, EVALUATION_SEED, positions)
        steps = self.plan.phases[-1].end
        hint = PlateauHint(
            context_free_loss(
                split.unigram_entropy, self.masking.mask_share, self.masking.random_share
            ),
            split.most_frequent_token_share,
            self.optimizer.warmup_steps + max(500, steps // 10),
            self.model.normalization == "pre",
        )
        return Evaluation(
            held_out,
            FillMask(self.module.apply, samples, self.tokenizer, self.sharding.replicated),
            lambda step, _, metrics: hint(step, metrics),
        )
