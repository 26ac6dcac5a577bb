"""Text to a prepared corpus: read, train a tokenizer, encode in parallel, split, write."""

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from bert_jax.data import holdout
from bert_jax.data.corpus_statistics import Statistics, find_warnings
from bert_jax.data.encoding import Encoded, encode_group, group_documents
from bert_jax.data.lines import ReadReport
from bert_jax.data.preparation_config import PrepareConfig, TokenizerConfig
from bert_jax.data.progress import Progress, print_summary
from bert_jax.data.sampling import sample_text
from bert_jax.data.sentences import check_language
from bert_jax.data.shard_writer import (
    ShardWriter,
    source_digest,
    staged,
    write_manifest,
)
from bert_jax.data.shards import MANIFEST, STATISTICS, TIMING, TOKENIZER, Corpus, open_corpus
from bert_jax.data.text import Source, open_source
from bert_jax.data.tokenizers import Tokenizer, load_tokenizer, train_tokenizer
from bert_jax.data.workers import Workers
from bert_jax.errors import ConfigError, DataError
from bert_jax.whole import write_json

__all__ = ["PrepareConfig", "TokenizerConfig", "prepare"]
_SMALL = 4_000_000  # bytes of text that are done before other processes would have started
_MOST_HELD_TOKENS = 64_000_000  # kept in memory until their split is known


def prepare(
    config: PrepareConfig, output: Path, *, workers: int = 0, progress: bool = True
) -> Corpus:
    """Prepare a corpus, or open it if this was done before.

    Args:
        config: what to prepare, and how.
        output: the folder to make. It appears whole or not at all.
        workers: processes; 0 takes one a core. The bytes do not depend on it.
        progress: whether to report on standard error and print a summary.

    Raises:
        DataError: nothing to read, text that cannot be used, an output that holds other files.
        ConfigError: a value is not possible, or the output holds another corpus.
        DiskError: the output cannot be written.
    """
    if workers < 0:
        raise ConfigError(f"config.workers: got {workers}, wants 0 (one a core) or more")
    output = output if output.name not in ("", "..") else output.resolve()
    check_language(config.language)
    source = open_source(
        config.input,
        format=config.format,
        text_field=config.text_field,
        document_separator=config.document_separator,
        max_document_characters=config.max_document_characters,
    )
    given = config.tokenizer.path
    tokenizer = load_tokenizer(given, config.tokenizer.lower_case) if given else None
    asked = _describe_source(config, source, tokenizer)
    if _is_prepared(output, asked):
        if progress:
            print(f"{output}: already prepared")
        return open_corpus(output)
    for decision in source.decisions if progress else ():
        print(decision)
    workers = workers or len(os.sched_getaffinity(0))
    if source.likely_text_bytes < _SMALL:
        workers = 1
    with staged(output) as partial, Workers(workers) as pool:
        run = _Run(config, source, pool, Progress(source.stored_bytes, shown=progress))
        with run.progress:
            tokenizer = tokenizer or run.train()
            tokenizer.save(partial / TOKENIZER)
            splits, statistics = run.encode(partial, tokenizer)
        write_json(partial / STATISTICS, statistics)
        write_json(partial / TIMING, run.timing(statistics))
        write_manifest(
            partial,
            tokenizer={
                "kind": tokenizer.kind,
                "vocab_size": tokenizer.vocab_size,
                "fingerprint": tokenizer.fingerprint,
            },
            source=asked,
            splits=splits,
        )
    corpus = open_corpus(output, verify=False)  # just written and summed
    if progress:
        print_summary(corpus)
    return corpus


class _Run:
    """The passes over the text, and what they count."""

    def __init__(self, config: PrepareConfig, source: Source, pool: Workers, progress: Progress):
        self.config = config
        self.source = source
        self.pool = pool
        self.progress = progress
        self._start = time.monotonic()
        self._trained = 0.0

    def train(self) -> Tokenizer:
        """Read everything once and train a tokenizer on an even sample."""
        settings = self.config.tokenizer
        report = ReadReport()
        texts = (document.text for document in self.source.documents(report, self.pool.map))
        texts = self.progress.follow("reading", texts, report)
        sample = sample_text(texts, int(settings.training_megabytes * 1e6))
        if not sample:
            raise _no_text(self.config, report)
        self.progress.stage(f"training a {settings.kind} of {settings.vocab_size} pieces")
        tokenizer = train_tokenizer(
            settings.kind,
            iter(sample),
            settings.vocab_size,
            settings.lower_case is not False,
            model_type=settings.model_type,
            alphabet_share=settings.alphabet_share,
        )
        self._trained = time.monotonic() - self._start
        return tokenizer

    def encode(
        self, directory: Path, tokenizer: Tokenizer
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Write the shards; return the splits' entries in the manifest and the statistics."""
        config = self.config
        report, statistics = ReadReport(), Statistics()
        writers = {
            name: ShardWriter(
                directory, name, shard_tokens=config.shard_tokens, id_type=tokenizer.id_type
            )
            for name in ("train", "validation")
        }
        unknown = 0
        groups = self._encoded_groups(directory / TOKENIZER, report, statistics)
        for encoded, held_out in _assign(groups, config.validation_share, config.seed):
            unknown += int(np.count_nonzero(encoded.tokens == tokenizer.unk_id))
            _write(encoded, held_out, writers)
        splits = {name: writer.finish() for name, writer in writers.items()}
        if not splits["train"]["documents"]:
            raise _no_text(config, report)
        if not splits["validation"]["documents"]:
            del splits["validation"]
        summary = statistics.summary(report, splits, unknown)
        summary["warnings"] = find_warnings(summary, config.validation_share)
        for warning in summary["warnings"]:
            logging.warning("%s", warning)
        return splits, summary

    def _encoded_groups(
        self, tokenizer: Path, report: ReadReport, statistics: Statistics
    ) -> Iterator[Encoded]:
        """Yield groups without the documents that have no tokens, which are counted."""
        places: list[list[str]] = []

        def groups():
            documents = self.source.documents(report, self.pool.map)
            documents = self.progress.follow("encoding", documents, report)
            for group in group_documents(
                documents,
                str(tokenizer),
                self.config.language,
                self.config.max_sentence_characters,
            ):
                places.append([document.place for document in group.documents])
                yield group

        for encoded in self.pool.map(encode_group, groups()):
            here = places.pop(0)
            for i in np.flatnonzero(encoded.document_lengths == 0):
                report.skip("no tokens", here[i], given_out=True)
            statistics.add(encoded)
            yield encoded

    def timing(self, statistics: dict[str, Any]) -> dict[str, Any]:
        """Return how long it took; text is counted as read once."""
        seconds = time.monotonic() - self._start
        megabytes = statistics["text_bytes"] / 1e6
        return {
            "seconds": round(seconds, 3),
            "tokenizer_seconds": round(self._trained, 3),
            "megabytes_per_second": round(megabytes / max(seconds, 1e-9), 3),
        }


def _assign(
    groups: Iterator[Encoded], share: float, seed: int
) -> Iterator[tuple[Encoded, np.ndarray]]:
    """Yield each group with a mask of its documents that are held out.

    The first groups wait until it is known whether there are more documents than the first block.
    """
    waiting: list[Encoded] = []
    documents = tokens = 0
    most = max(holdout.first_block(share), holdout.MIN_DOCUMENTS)
    first: np.ndarray | None = None  # which of the first documents are held out, once known

    def assign(encoded: Encoded, start: int) -> tuple[Encoded, np.ndarray]:
        assert first is not None
        used = encoded.document_lengths > 0
        ordinals = start + np.arange(np.count_nonzero(used))
        chosen = holdout.choose_later(ordinals, share, seed)
        early = ordinals < len(first)
        chosen[early] = first[ordinals[early]]
        held_out = np.zeros(len(used), bool)
        held_out[used] = chosen
        return encoded, held_out

    def assign_waiting() -> Iterator[tuple[Encoded, np.ndarray]]:
        start = 0
        for encoded in waiting:
            yield assign(encoded, start)
            start += int(np.count_nonzero(encoded.document_lengths))
        waiting.clear()

    for group in groups:
        start = documents
        documents += int(np.count_nonzero(group.document_lengths))
        if first is not None:
            yield assign(group, start)
            continue
        waiting.append(group)
        tokens += len(group.tokens)
        if documents >= most or tokens > _MOST_HELD_TOKENS:
            first = holdout.choose_first(min(documents, most), share, seed)
            yield from assign_waiting()
    if first is None:
        first = holdout.choose_first(documents, share, seed)
        yield from assign_waiting()


def _write(encoded: Encoded, held_out: np.ndarray, writers: dict[str, ShardWriter]) -> None:
    """Give runs of documents with the same fate to their writer."""
    ends = np.cumsum(encoded.document_lengths, dtype=np.int64)
    tokens = np.concatenate([[0], np.cumsum(encoded.sentence_lengths, dtype=np.int64)])
    changes = np.flatnonzero(held_out[1:] != held_out[:-1]) + 1
    bounds = [0, *changes.tolist(), len(held_out)]
    for start, end in zip(bounds, bounds[1:], strict=False):
        first, last = int(ends[start - 1]) if start else 0, int(ends[end - 1]) if end else 0
        if first == last:
            continue
        lengths = encoded.document_lengths[start:end]
        writers["validation" if held_out[start] else "train"].add(
            encoded.tokens[tokens[first] : tokens[last]],
            encoded.sentence_lengths[first:last],
            lengths[lengths > 0],
        )


def _describe_source(
    config: PrepareConfig, source: Source, tokenizer: Tokenizer | None
) -> dict[str, Any]:
    """Return what decides the bytes, to tell later whether a folder holds just this."""
    described = asdict(config)
    if tokenizer is not None:
        described["tokenizer"] = {"given": tokenizer.fingerprint}
    identities = [part.identity for part in source.parts]
    described["files"] = len(identities)
    described["bytes"] = sum(size for _, size in identities)
    described["digest"] = source_digest(identities)
    return described


def _is_prepared(output: Path, asked: dict[str, Any]) -> bool:
    """Say whether the folder holds just this corpus; raise if it holds anything else."""
    if not output.exists():
        return False
    if not output.is_dir():
        raise DataError(f"{output}: is a file; --config.output wants a folder's name")
    if not (output / MANIFEST).exists():
        if any(output.iterdir()):
            raise DataError(
                f"{output}: holds files but no prepared corpus; choose another --config.output"
            )
        return False
    there = open_corpus(output, verify=False).manifest.get("source", {})
    different = [
        f"{name} {there.get(name)!r}, asked {asked.get(name)!r}"
        for name in sorted(asked.keys() | there.keys())
        if there.get(name) != asked.get(name)
    ]
    if different:
        raise ConfigError(
            f"{output}: holds another corpus: {'; '.join(different)}; delete it or choose "
            "another --config.output"
        )
    return True


def _no_text(config: PrepareConfig, report: ReadReport) -> DataError:
    reasons = [
        f"{what}: {tally.count}, first {tally.first}"
        for what, tally in (report.skipped | report.skipped_files).items()
    ]
    return DataError(f"{config.input}: no text in it ({'; '.join(reasons) or 'nothing was read'})")
