"""Tensors under our paths: their shapes held against the config, in float32, kernels [in, out]."""

from collections.abc import Mapping

import numpy as np

from bert_jax.errors import CheckpointError
from bert_jax.interop.names import Place
from bert_jax.model.config import BertConfig

# The parts of each kind of model: the first names of its parameter paths.
PARTS = {
    "encoder": ("bert",),
    "pretraining": ("bert", "masked_language_model", "next_sentence"),
    "sequence_classification": ("bert", "classifier"),
    "token_classification": ("bert", "classifier"),
    "question_answering": ("bert", "span"),
}

# Shapes by the end of the path. D model, F feed-forward, V vocabulary, T positions, S token types,
# C classes; what is not named here is a vector of D or a matrix of D x D.
_SHAPES = {
    "embeddings/token/embedding": "VD",
    "embeddings/position/embedding": "TD",
    "embeddings/token_type/embedding": "SD",
    "feed_forward/intermediate/kernel": "DF",
    "feed_forward/intermediate/bias": "F",
    "feed_forward/output/kernel": "FD",
    "masked_language_model/decoder": "VD",
    "masked_language_model/bias": "V",
    "next_sentence/dense/kernel": "D2",
    "next_sentence/dense/bias": "2",
    "classifier/kernel": "DC",
    "classifier/bias": "C",
    "span/kernel": "D2",
    "span/bias": "2",
}
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def arrange(
    tensors: Mapping[str, np.ndarray],
    places: Mapping[str, Place | str],
    kind: str,
    config: BertConfig,
    num_labels: int,
    source: str,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Bring every tensor to its place, or say why it has none.

    Args:
        tensors: by the names in the file.
        places: for each of these names a place, or the reason why there is none.
        kind: a key of `PARTS`.
        num_labels: classes of a classifier.
        source: the file, for messages.

    Returns:
        float32 arrays by our paths, and the names left over, each with its reason in brackets.

    Raises:
        CheckpointError: a tensor is not of the config's shape or not of floats, two want one
            place, or there are other layers than the config says.
    """
    arrays: dict[str, np.ndarray] = {}
    unused = []
    for name, tensor in tensors.items():
        place = places[name]
        if isinstance(place, Place) and place.path.split("/")[0] not in PARTS[kind]:
            place = f"not a part of this model, {kind}"
        if isinstance(place, str):
            unused.append(f"{name} ({place})")
            continue
        if place.path in arrays:
            raise CheckpointError(f"{source}: {name} and another tensor are both {place.path}")
        wanted = expected_shape(place.path, config, num_labels)
        if tensor.shape != (wanted[::-1] if place.transposed else wanted):
            raise CheckpointError(
                f"{source}: {name} has the shape {list(tensor.shape)}, the config wants "
                f"{list(wanted[::-1] if place.transposed else wanted)}; config and weights are "
                "not of the same model"
            )
        tensor = as_float32(tensor, f"{source}: {name}")
        arrays[place.path] = tensor.T if place.transposed else tensor
    if not arrays:
        raise CheckpointError(
            f"{source}: none of its {len(tensors)} tensors belongs to a BERT"
            + (f"; the first is {next(iter(tensors))}" if tensors else "")
        )
    _check_layers(arrays, config, source)
    return arrays, tuple(unused)


def expected_shape(path: str, config: BertConfig, num_labels: int) -> tuple[int, ...]:
    """Return the shape that the parameter at one of our paths has."""
    sizes = {
        "D": config.hidden_size,
        "F": config.intermediate_size,
        "V": config.vocab_size,
        "T": config.max_position_embeddings,
        "S": config.type_vocab_size,
        "C": num_labels,
        "2": 2,
    }
    otherwise = "DD" if path.endswith("/kernel") else "D"
    letters = next((s for end, s in _SHAPES.items() if path.endswith(end)), otherwise)
    return tuple(sizes[letter] for letter in letters)


def as_float32(array: np.ndarray, where: str) -> np.ndarray:
    """Widen halves, round doubles; refuse what is not a float or too large for one."""
    if array.dtype.name not in _FLOATS:
        raise CheckpointError(
            f"{where} holds {array.dtype.name}, wants one of {', '.join(_FLOATS)}; quantised "
            "weights cannot be read"
        )
    with np.errstate(over="ignore"):
        rounded = array.astype(np.float32, copy=False)
    if array.dtype == np.float64 and (np.isinf(rounded) & np.isfinite(array)).any():
        raise CheckpointError(f"{where} holds a float64 too large for float32")
    return rounded


def _check_layers(arrays: Mapping[str, np.ndarray], config: BertConfig, source: str) -> None:
    layers = {path.split("/")[2] for path in arrays if path.startswith("bert/encoder/layer_")}
    numbers = {int(layer.removeprefix("layer_")) for layer in layers - {"layer_norm"}}
    # Not compared with a set of the wanted size: what the config says may be absurd.
    if len(numbers) != config.num_hidden_layers or max(numbers) != config.num_hidden_layers - 1:
        found = ", ".join(map(str, sorted(numbers)[:30])) or "none"
        raise CheckpointError(
            f"{source}: the config says num_hidden_layers={config.num_hidden_layers}, the file "
            f"holds these layers: {found}"
        )
