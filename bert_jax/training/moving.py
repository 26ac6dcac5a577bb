"""Which parameters fine-tuning moves, and how fast each layer goes."""

import re
from dataclasses import dataclass

HEADS = ("pooler", "classifier", "span", "crf", "masked_language_model", "next_sentence")
_LAYER = re.compile(r"encoder/layer_(\d+)/")


@dataclass(frozen=True)
class Moving:
    """What may move.

    Attributes:
        what: "all"; "head" alone, the encoder frozen; or "top:K", the head and the K last layers.
        layer_decay: the learning rate of a layer, as a multiple of that of the layer above; the
            head's is 1, the embeddings stand below the first layer (as in ELECTRA).
        num_layers: of the encoder.

    Raises:
        ValueError: a value is out of range.
    """

    what: str
    layer_decay: float
    num_layers: int

    def __post_init__(self) -> None:
        match = re.fullmatch(r"all|head|top:(\d+)", self.what)
        if match is None or not 0 <= int(match[1] or 0) <= self.num_layers:
            raise ValueError(
                f"what={self.what!r} must be 'all', 'head' or 'top:K' with K layers of "
                f"{self.num_layers}"
            )
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay={self.layer_decay} must be in (0, 1]")

    def moves(self, path: str) -> bool:
        """Tell whether the parameter with this path is trained."""
        if self.what == "all":
            return True
        layers = 0 if self.what == "head" else int(self.what.removeprefix("top:"))
        return self._depth(path) > self.num_layers - layers

    def rate(self, path: str) -> float:
        """Give the parameter's multiple of the learning rate."""
        return self.layer_decay ** (self.num_layers + 1 - self._depth(path))

    def _depth(self, path: str) -> int:
        """Count from the embeddings, 0, over the layers, 1 to N, to the head, N + 1."""
        layer = _LAYER.search(path)
        if layer:
            return int(layer[1]) + 1
        # A last LayerNorm of a pre-norm encoder belongs to its top layer.
        if "encoder/layer_norm" in path:
            return self.num_layers
        return self.num_layers + 1 if any(f"{head}/" in path for head in HEADS) else 0
