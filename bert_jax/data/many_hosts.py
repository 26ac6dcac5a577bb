"""The passes over the text on several hosts: each lot of files is read by one of them.

What has to be known of all lots goes through this process, and is little: the lengths of the
documents, from which it follows which are held out and where a shard ends.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bert_jax.data.corpus_statistics import Statistics
from bert_jax.data.documents import Source
from bert_jax.data.lines import ReadReport
from bert_jax.data.lot_sampling import MeasureLot, PickPieces
from bert_jax.data.lots import EncodeLot, LotGroup, read_groups, report_of
from bert_jax.data.passes import Encoding
from bert_jax.data.preparation_config import PrepareConfig
from bert_jax.data.progress import Progress
from bert_jax.data.sampling import choose_pieces
from bert_jax.data.shard_plan import AssembleShard, ShardPlanner
from bert_jax.data.shard_writer import add_histograms, split_entry
from bert_jax.data.shards import TOKENIZER
from bert_jax.data.splitting import assign, runs
from bert_jax.data.text_file import TextFile
from bert_jax.data.tokenizers import Tokenizer
from bert_jax.data.workspace import Work, Workspace, results
from bert_jax.errors import ConfigError

# Carries out pieces of work somewhere, under the name of their kind; returns when all are done.
Run = Callable[[str, Sequence[Work]], None]


class ManyHosts:
    """Gives out work on lots and on shards, and plans in between."""

    def __init__(
        self, config: PrepareConfig, source: Source, directory: Path, run: Run, progress: Progress
    ):
        """Check that others can find the text.

        Args:
            config: what to prepare.
            source: its input.
            directory: on a file system that all hosts share.
            run: carries out pieces of work.
            progress: what is told of what begins.
        """
        for part in source.parts:
            if not isinstance(part, TextFile):
                raise ConfigError(
                    f"config.input: {part.identity[0].split(':')[0]} is read on one host; several "
                    "want files (--runner=local reads this)"
                )
            if not part.path.is_absolute():
                raise ConfigError(
                    f"config.input: {part.path} is relative to a folder that workers do not start "
                    f"in; name it from the root, as in {part.path.absolute()}"
                )
        self._config = config
        self._lots = list(source.lots())
        self._workspace = Workspace.create(directory)
        self._run = run
        self._progress = progress

    def sample(self, most: int, report: ReadReport) -> list[str]:
        """Return about `most` characters of the text, evenly spread."""
        self._progress.stage(f"measuring {len(self._lots)} lots of files")
        measuring = [MeasureLot(self._workspace, i, lot) for i, lot in enumerate(self._lots)]
        self._run("measure", measuring)
        for values in results(measuring):
            report.add(report_of(values["report"]))
        chosen = choose_pieces(lambda: (work.sizes() for work in measuring), most)
        picking = [
            PickPieces(self._workspace, work.number, work.lot, tuple(pieces))
            for work, pieces in zip(measuring, chosen, strict=True)
            if pieces
        ]
        self._run("pick", picking)
        return [piece for values in results(picking) for piece in values["pieces"]]

    def encode(self, directory: Path, tokenizer: Tokenizer) -> Encoding:
        """Write the shards into the folder."""
        with self._workspace.new(TOKENIZER) as folder:
            tokenizer.save(folder)
        self._progress.stage(f"encoding {len(self._lots)} lots of files")
        id_type, config = tokenizer.id_type.name, self._config
        lots = [
            EncodeLot(
                self._workspace, i, lot, id_type, config.language, config.max_sentence_characters
            )
            for i, lot in enumerate(self._lots)
        ]
        self._run("encode", lots)
        statistics = Statistics()
        planned = self._plan(lots, statistics, id_type)
        shards = [work for works in planned.values() for work in works]
        self._progress.stage(f"writing {len(shards)} shards")
        self._run("assemble", shards)
        splits, files, unknown = {}, {}, 0
        for split, works in planned.items():
            entries, histogram = [], np.zeros(0, np.int64)
            for work, values in zip(works, results(works), strict=True):
                entries.append(values["entry"])
                files |= values["files"]
                histogram = add_histograms(histogram, work.histogram())
                for name in values["files"]:
                    (self._workspace.find(work.name) / name).rename(directory / name)
            splits[split] = split_entry(entries, histogram)
            unknown += int(histogram[tokenizer.unk_id :][:1].sum())
        shutil.rmtree(self._workspace.root)
        return Encoding(splits, statistics, unknown, files)

    def _plan(
        self, lots: list[EncodeLot], statistics: Statistics, id_type: str
    ) -> dict[str, list[AssembleShard]]:
        """Decide, as on one host, which documents are held out and where shards end."""
        config = self._config
        planners = {
            name: ShardPlanner(self._workspace, name, config.shard_tokens, id_type)
            for name in ("train", "validation")
        }

        def groups() -> Iterator[LotGroup]:
            for lot, values in zip(lots, results(lots), strict=True):
                yield from read_groups(lot, values, statistics)

        for group, held_out in assign(groups(), config.validation_share, config.seed):
            for first, last, split in runs(held_out):
                planners[split].add(group.lot, group.first + first, group.extents.part(first, last))
        return {name: planner.finish() for name, planner in planners.items()}
