"""The passes over the text on one host: a stream through a few processes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bert_jax.data.corpus_statistics import Statistics
from bert_jax.data.documents import Source
from bert_jax.data.encoding import Encoded, Group, encode_group, group_documents, report_empty
from bert_jax.data.lines import ReadReport
from bert_jax.data.passes import Encoding
from bert_jax.data.preparation_config import PrepareConfig
from bert_jax.data.progress import Progress
from bert_jax.data.sampling import sample_text
from bert_jax.data.shard_writer import ShardWriter
from bert_jax.data.shards import TOKENIZER
from bert_jax.data.splitting import assign, runs
from bert_jax.data.tokenizers import Tokenizer
from bert_jax.data.workers import Workers


class OneHost:
    """Reads in this process, encodes in several, and consumes in the order of the text."""

    def __init__(self, config: PrepareConfig, source: Source, pool: Workers, progress: Progress):
        self._config = config
        self._source = source
        self._pool = pool
        self._progress = progress

    def sample(self, most: int, report: ReadReport) -> list[str]:
        """Return about `most` characters of the text, evenly spread."""
        texts = (document.text for document in self._source.documents(report, self._pool.map))
        return sample_text(self._progress.follow("reading", texts, report), most)

    def encode(self, directory: Path, tokenizer: Tokenizer) -> Encoding:
        """Write the shards into the folder, which has the tokenizer already."""
        config, statistics = self._config, Statistics()
        writers = {
            name: ShardWriter(
                directory, name, shard_tokens=config.shard_tokens, id_type=tokenizer.id_type
            )
            for name in ("train", "validation")
        }
        unknown = 0
        groups = self._groups(str(directory / TOKENIZER), statistics)
        for encoded, held_out in assign(groups, config.validation_share, config.seed):
            unknown += int(np.count_nonzero(encoded.tokens == tokenizer.unk_id))
            _write(encoded, held_out, writers)
        splits = {name: writer.finish() for name, writer in writers.items()}
        return Encoding(splits, statistics, unknown, {})

    def _groups(self, tokenizer: str, statistics: Statistics) -> Iterator[Encoded]:
        """Yield the groups, encoded, in the order of the text."""
        report = statistics.report
        places: list[list[str]] = []

        def groups() -> Iterator[Group]:
            for lot in self._source.lots():
                for group in group_documents(
                    lot.documents(report, self._pool.map),
                    tokenizer,
                    self._config.language,
                    self._config.max_sentence_characters,
                ):
                    places.append([document.place for document in group.documents])
                    yield group

        following = self._progress.follow("encoding", groups(), report)
        for encoded in self._pool.map(encode_group, following):
            report_empty(encoded, places.pop(0), report)
            statistics.counts.count(encoded)
            statistics.lines.add(encoded.line_hashes)
            yield encoded


def _write(encoded: Encoded, held_out: np.ndarray, writers: dict[str, ShardWriter]) -> None:
    """Give runs of documents with the same fate to their writer."""
    extents = encoded.extents
    for first, last, split in runs(held_out):
        part = extents.part(first, last)
        writers[split].add(
            encoded.tokens[part.tokens[0] : part.tokens[-1]],
            encoded.sentence_lengths[part.sentences[0] : part.sentences[-1]],
            np.diff(part.sentences),
        )
