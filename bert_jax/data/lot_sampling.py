"""An even sample of text that several hosts read: the one that `sample_text` takes on one host."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.data.documents import Source
from bert_jax.data.lines import ReadReport
from bert_jax.data.sampling import cut_pieces
from bert_jax.data.workspace import Work

_SIZES = "sizes"


@dataclass(frozen=True)
class MeasureLot(Work):
    """The work of measuring a lot's pieces."""

    number: int
    lot: Source

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"measured/{self.number:06d}"

    def do(self, folder: Path) -> dict[str, Any]:
        """Write how many characters each piece has; return what reading met."""
        report = ReadReport()
        texts = (document.text for document in self.lot.documents(report))
        sizes = np.fromiter((len(piece) for piece in cut_pieces(texts)), np.uint32)
        (folder / _SIZES).write_bytes(sizes.tobytes())
        return {"report": asdict(report)}

    def sizes(self) -> np.ndarray:
        """Return what it has written: uint32 [pieces]."""
        return np.frombuffer((self.workspace.find(self.name) / _SIZES).read_bytes(), np.uint32)


@dataclass(frozen=True)
class PickPieces(Work):
    """The work of reading a lot again for some of its pieces."""

    number: int
    lot: Source
    pieces: tuple[int, ...]  # in ascending order

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"picked/{self.number:06d}"

    def do(self, folder: Path) -> dict[str, Any]:
        """Return the texts of the pieces."""
        del folder
        wanted, last = set(self.pieces), self.pieces[-1]
        texts = (document.text for document in self.lot.documents(ReadReport()))
        picked = []
        for i, piece in enumerate(cut_pieces(texts)):
            if i in wanted:
                picked.append(piece)
            if i == last:
                break
        return {"pieces": picked}
