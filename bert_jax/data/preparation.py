"""Text to a prepared corpus: read, train a tokenizer, encode in parallel, split, write."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from absl import logging

from bert_jax.data.corpus_folder import source_digest, staged, write_manifest
from bert_jax.data.corpus_statistics import find_warnings
from bert_jax.data.documents import Source
from bert_jax.data.lines import ReadReport
from bert_jax.data.many_hosts import ManyHosts, Run
from bert_jax.data.one_host import OneHost
from bert_jax.data.passes import Encoding, Passes
from bert_jax.data.preparation_config import PrepareConfig, TokenizerConfig
from bert_jax.data.progress import Progress, print_summary
from bert_jax.data.sentences import check_language
from bert_jax.data.shards import MANIFEST, STATISTICS, TIMING, TOKENIZER, Corpus, open_corpus
from bert_jax.data.text import open_source
from bert_jax.data.tokenizers import Tokenizer, load_tokenizer, train_tokenizer
from bert_jax.data.workers import Workers
from bert_jax.errors import ConfigError, DataError
from bert_jax.whole import write_json

__all__ = ["PrepareConfig", "TokenizerConfig", "prepare"]
_SMALL = 4_000_000  # bytes of text that are done before other processes would have started


def prepare(
    config: PrepareConfig,
    output: Path,
    *,
    workers: int = 0,
    progress: bool = True,
    run: Run | None = None,
) -> Corpus:
    """Prepare a corpus, or open it if this was done before.

    Args:
        config: what to prepare, and how.
        output: the folder to make. It appears whole or not at all.
        workers: processes on this host; 0 takes one a core. The bytes do not depend on it.
        progress: whether to report on standard error and print a summary.
        run: does pieces of work on several hosts, which all see the files of `config.input` and
            the folder of `output`; None does everything on this one. The bytes are the same.

    Raises:
        DataError: nothing to read, text that cannot be used, an output that holds other files.
        ConfigError: a value is not possible, or the output holds another corpus.
        DiskError: the output cannot be written.
    """
    if workers < 0:
        raise ConfigError(f"config.workers: got {workers}, wants 0 (one a core) or more")
    output = output if output.name not in ("", "..") else output.resolve()
    source, tokenizer, asked = _open(config)
    if _is_prepared(output, asked):
        if progress:
            print(f"{output}: already prepared")
        return open_corpus(output)
    for decision in source.decisions if progress else ():
        print(decision)
    start = time.monotonic()
    with staged(output) as partial:
        shown = Progress(source.stored_bytes, shown=progress)
        with shown, _passes(config, source, partial, workers, shown, run) as passes:
            trained = start
            if tokenizer is None:
                tokenizer = _train(config, passes, shown)
                trained = time.monotonic()
            tokenizer.save(partial / TOKENIZER)
            encoding = passes.encode(partial, tokenizer)
        splits, statistics = _account(config, encoding)
        write_json(partial / STATISTICS, statistics)
        write_json(partial / TIMING, _timing(start, trained, statistics))
        write_manifest(
            partial,
            tokenizer={
                "kind": tokenizer.kind,
                "vocab_size": tokenizer.vocab_size,
                "fingerprint": tokenizer.fingerprint,
            },
            source=asked,
            splits=splits,
            known=encoding.files,
        )
    corpus = open_corpus(output, verify=False)  # just written and summed
    if progress:
        print_summary(corpus)
    return corpus


def describe(config: PrepareConfig) -> dict[str, Any]:
    """Return what decides the bytes, as it stands in a manifest under "source"."""
    return _open(config)[2]


def _open(config: PrepareConfig) -> tuple[Source, Tokenizer | None, dict[str, Any]]:
    """Return the text, the tokenizer if one is given, and what decides the bytes."""
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
    return source, tokenizer, _describe_source(config, source, tokenizer)


@contextmanager
def _passes(
    config: PrepareConfig,
    source: Source,
    partial: Path,
    workers: int,
    progress: Progress,
    run: Run | None,
) -> Iterator[Passes]:
    if run is not None:
        yield ManyHosts(config, source, partial, run, progress)
        return
    workers = workers or len(os.sched_getaffinity(0))
    if source.likely_text_bytes < _SMALL:
        workers = 1
    with Workers(workers) as pool:
        yield OneHost(config, source, pool, progress)


def _train(config: PrepareConfig, passes: Passes, progress: Progress) -> Tokenizer:
    """Read everything once and train a tokenizer on an even sample."""
    settings = config.tokenizer
    report = ReadReport()
    sample = passes.sample(int(settings.training_megabytes * 1e6), report)
    if not sample:
        raise _no_text(config, report)
    progress.stage(f"training a {settings.kind} of {settings.vocab_size} pieces")
    return train_tokenizer(
        settings.kind,
        iter(sample),
        settings.vocab_size,
        settings.lower_case is not False,
        model_type=settings.model_type,
        alphabet_share=settings.alphabet_share,
    )


def _account(config: PrepareConfig, encoding: Encoding) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the splits' entries in the manifest, and the statistics."""
    splits, statistics = dict(encoding.splits), encoding.statistics
    if not splits["train"]["documents"]:
        raise _no_text(config, statistics.report)
    if not splits["validation"]["documents"]:
        del splits["validation"]
    summary = statistics.summary(splits, encoding.unknown)
    summary["warnings"] = find_warnings(summary, config.validation_share)
    for warning in summary["warnings"]:
        logging.warning("%s", warning)
    return splits, summary


def _timing(start: float, trained: float, statistics: dict[str, Any]) -> dict[str, Any]:
    """Return how long it took, in all and until there was a tokenizer."""
    seconds = time.monotonic() - start
    megabytes = statistics["text_bytes"] / 1e6  # counted as read once
    return {
        "seconds": round(seconds, 3),
        "tokenizer_seconds": round(trained - start, 3),
        "megabytes_per_second": round(megabytes / max(seconds, 1e-9), 3),
    }


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
    check_same(open_corpus(output, verify=False).manifest.get("source", {}), asked, str(output))
    return True


def check_same(there: dict[str, Any], asked: dict[str, Any], output: str) -> None:
    """Raise a ConfigError if a manifest's "source" is not what is asked for."""
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


def _no_text(config: PrepareConfig, report: ReadReport) -> DataError:
    reasons = [
        f"{what}: {tally.count}, first {tally.first}"
        for what, tally in (report.skipped | report.skipped_files).items()
    ]
    return DataError(f"{config.input}: no text in it ({'; '.join(reasons) or 'nothing was read'})")
