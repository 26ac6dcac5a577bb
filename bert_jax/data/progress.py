"""What a person sees while a corpus is prepared, and at its end."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from bert_jax.data.lines import ReadReport
from bert_jax.data.shards import Corpus

T = TypeVar("T")
_BETWEEN_LINES = 15.0  # seconds, where there is no terminal


class Progress:
    """A bar with an estimate on a terminal, a line now and then elsewhere."""

    def __init__(self, total_bytes: int, *, shown: bool):
        self._total = total_bytes
        self._shown = shown
        self._terminal = shown and sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def stage(self, name: str) -> None:
        """Say what begins, where its length is not known."""
        self._close()
        if self._shown:
            print(name, file=sys.stderr, flush=True)

    def follow(self, name: str, items: Iterable[T], report: ReadReport) -> Iterator[T]:
        """Yield the items and show how far the report has come."""
        self._close()
        if self._terminal:
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._total or None, desc=name, unit="B", unit_scale=True, leave=False
            )
        start = said = time.monotonic()
        for item in items:
            yield item
            if self._bar is not None:
                self._bar.update(report.position - self._bar.n)
            elif self._shown and time.monotonic() - said > _BETWEEN_LINES:
                said = time.monotonic()
                share = report.position / max(1, self._total)
                left = (said - start) * (1 / share - 1) if share else 0.0
                print(f"{name}: {share:.0%}, {left:.0f} s left", file=sys.stderr, flush=True)
        self._close()


def print_summary(corpus: Corpus) -> None:
    """Print what was prepared."""
    statistics = corpus.statistics
    print(f"{corpus.directory}:")
    print("  " + " " * 12 + "".join(f"{what:>14}" for what in ("documents", "sentences", "tokens")))
    for split in corpus.splits.values():
        counts = (split.documents, split.sentences, split.tokens)
        print(f"  {split.name:<12}" + "".join(f"{count:>14,}" for count in counts))
    tokenizer = corpus.manifest["tokenizer"]
    train = corpus.splits["train"]
    timing = statistics["timing"]
    print(f"  tokenizer     {tokenizer['kind']}, {tokenizer['vocab_size']:,} pieces")
    print(f"  [UNK]         {statistics['unknown_share']:.3%} of the tokens")
    print(f"  lines         {statistics['lines']:,}, about {statistics['duplicate_lines']:,} twice")
    print(f"  skipped       {statistics['documents_skipped']:,} documents")
    print(
        f"  entropy       {train.unigram_entropy:.3f} nats a token; the most frequent one is "
        f"{train.most_frequent_token_share:.2%}"
    )
    print(
        f"  time          {timing['seconds']:.1f} s, {timing['megabytes_per_second']:.1f} MB of "
        f"text a second (tokenizer {timing['tokenizer_seconds']:.1f} s)"
    )
