"""Which documents of which lots make each shard, and putting a shard together from them."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.data.corpus_folder import file_entry
from bert_jax.data.lots import open_lot
from bert_jax.data.shard_cutting import ShardCutter
from bert_jax.data.shard_writer import shard_name, write_shard
from bert_jax.data.splitting import Extents
from bert_jax.data.workspace import Work, Workspace

# A piece of a lot: its number, then first and last of documents, sentences and tokens.
_Piece = list[int]
_SEGMENTS = "segments.npy"
_HISTOGRAM = "histogram.npy"


class ShardPlanner:
    """What a `ShardWriter` is to documents at hand: follows those of a split that lie in lots."""

    def __init__(self, workspace: Workspace, split: str, shard_tokens: int, id_type: str):
        self._workspace = workspace
        self._split = split
        self._id_type = id_type
        self._cutter = ShardCutter(shard_tokens)
        self._works: list[AssembleShard] = []
        self._full: list[_Piece] = []  # complete; written down once its successor is, too
        self._open: list[_Piece] = []

    def add(self, lot: int, first: int, extents: Extents) -> None:
        """Add documents of a lot, beginning with its `first`."""
        for a, b, begins in self._cutter.cut(extents.tokens):
            if begins:
                self._write_down(self._full)
                self._full, self._open = self._open, []
            last = self._open[-1] if self._open else None
            spans = [first + a, first + b]
            for places in (extents.sentences, extents.tokens):
                spans += [int(places[a]), int(places[b])]
            if last and last[0] == lot and last[2] == spans[0]:
                last[2::2] = spans[1::2]
            else:
                self._open.append([lot, *spans])

    def finish(self) -> "list[AssembleShard]":
        """Return the work of making the shards."""
        if self._full and self._cutter.last_joins:
            self._full += self._open
            self._open = []
        for pieces in (self._full, self._open):
            self._write_down(pieces)
        return self._works

    def _write_down(self, pieces: list[_Piece]) -> None:
        if not pieces:
            return
        work = AssembleShard(
            self._workspace, shard_name(self._split, len(self._works)), self._id_type
        )
        with self._workspace.new(work.plan) as folder:
            np.save(folder / _SEGMENTS, np.array(pieces, np.int64), allow_pickle=False)
        self._works.append(work)


@dataclass(frozen=True)
class AssembleShard(Work):
    """The work of making one shard, which it holds in memory."""

    shard: str
    id_type: str

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"shards/{self.shard}"

    @property
    def plan(self) -> str:
        """The name of the folder that says of what it is made."""
        return f"plan/{self.shard}"

    def histogram(self) -> np.ndarray:
        """Return how often each token stands in the shard that was made: int64."""
        return np.load(self.workspace.find(self.name) / _HISTOGRAM, allow_pickle=False)

    def do(self, folder: Path) -> dict[str, Any]:
        """Write the shard and its histogram; return the entries of it and its files."""
        pieces = np.load(self.workspace.find(self.plan) / _SEGMENTS, allow_pickle=False).tolist()
        parts: list[list[np.ndarray]] = [[], [], []]
        for lot, group in itertools.groupby(pieces, key=lambda piece: piece[0]):
            arrays = open_lot(self.workspace.find(f"lots/{lot:06d}"), self.id_type)
            for _, d, d_end, s, s_end, t, t_end in group:
                for part, array, a, b in zip(
                    parts, arrays, (t, s, d), (t_end, s_end, d_end), strict=True
                ):
                    part.append(np.array(array[a:b]))
        tokens, sentences, documents = (np.concatenate(part) for part in parts)
        entry = write_shard(folder, self.shard, tokens, sentences, documents)
        files = {path.name: file_entry(path) for path in sorted(folder.iterdir())}
        np.save(folder / _HISTOGRAM, np.bincount(tokens), allow_pickle=False)
        return {"entry": entry, "files": files}
