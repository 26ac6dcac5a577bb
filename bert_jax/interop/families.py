"""Model types of `transformers`: what each tensor in a file of theirs is."""

import re
from collections.abc import Mapping

import numpy as np

from bert_jax.interop import names
from bert_jax.interop.names import Names, Place

_BUFFERS = (".position_ids", ".token_type_ids")


class Family:
    """A model type: its table of names, and what it writes before those of the encoder."""

    def __init__(self, table: Names, prefix: str) -> None:
        self._table = table
        self._prefix = prefix
        self._tokens = self._name("bert/embeddings/token/embedding")
        self._bias = self._name("masked_language_model/bias")
        self._decoder = self._name("masked_language_model/decoder")
        self._decoder_bias = self._decoder.removesuffix("weight") + "bias"

    def read(
        self, tensors: Mapping[str, np.ndarray], tied: bool
    ) -> tuple[dict[str, Place | str], bool]:
        """Find the place of each tensor of a file, or the reason why it has none.

        Args:
            tensors: by the names in the file, of whatever age and wrapping.
            tied: whether the config says that the token table is also the output matrix.

        Returns:
            The places by the names in the file, and whether the two are really one.
        """
        present = {name: self._present_name(name) for name in tensors}
        named = {present[name]: name for name in tensors}
        places: dict[str, Place | str] = {
            name: self._table.ours(present[name]) or _reason(name) for name in tensors
        }

        def equal(one: str, other: str) -> bool:
            return other in named and np.array_equal(tensors[named[one]], tensors[named[other]])

        if self._decoder in named:
            tied = tied and equal(self._decoder, self._tokens)
            if tied:
                places[named[self._decoder]] = f"a copy of {named[self._tokens]}"
        if self._decoder_bias in named and equal(self._decoder_bias, self._bias):
            places[named[self._decoder_bias]] = f"a copy of {named[self._bias]}"
        elif self._decoder_bias in named:  # where the two differ, transformers adds this one
            places[named[self._decoder_bias]] = Place("masked_language_model/bias", False)
            if self._bias in named:
                places[named[self._bias]] = f"{named[self._decoder_bias]} is added in its stead"
        return places, tied

    def write(self, arrays: Mapping[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
        """Name and turn arrays, given by our paths, as `transformers` stores them."""
        tensors = {}
        for path, array in arrays.items():
            place = self._table.theirs(path)
            if place is None:
                raise ValueError(f"{path} has no name in transformers")
            # Only a model with a head has the encoder as a part, with a name of its own.
            prefix = self._prefix if path.startswith("bert/") and kind != "encoder" else ""
            tensors[prefix + place.path] = array.T if place.transposed else array
        if self._decoder in tensors:  # untied, where both biases are asked for
            tensors[self._decoder_bias] = tensors[self._bias]
        return tensors

    def _name(self, path: str) -> str:
        place = self._table.theirs(path)
        assert place, path
        return place.path

    def _present_name(self, name: str) -> str:
        """Undo what wrappers and old versions did to a name."""
        name = name.removeprefix("module.").removeprefix(self._prefix)
        name = re.sub(r"\bLayerNorm\.gamma$", "LayerNorm.weight", name)
        return re.sub(r"\bLayerNorm\.beta$", "LayerNorm.bias", name)


def _reason(name: str) -> str:
    return "counts positions, no weight" if name.endswith(_BUFFERS) else "no such part in a BERT"


FAMILIES = {
    "bert": Family(names.BERT, "bert."),
    "roberta-prelayernorm": Family(names.PRELAYERNORM, "roberta_prelayernorm."),
}
