"""Parameters of a checkpoint brought into a model, and the account of what became of each."""

import re
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from bert_jax.errors import CheckpointError
from bert_jax.interop.published import Published
from bert_jax.training.state import flatten, nest

# The first axis of these counts what may be more or fewer in the model than in the checkpoint:
# pieces of a vocabulary padded to a multiple, and positions.
_ROWS_MAY_DIFFER = re.compile(
    "embeddings/(token|position)/embedding$|^masked_language_model/(bias|decoder)$"
)


@dataclass(frozen=True)
class Fit:
    """A model's parameters and where each came from.

    Attributes:
        params: the nested dict.
        account: (path, shape, what became of it), in the order of the paths.
        new: paths that the checkpoint does not have.
    """

    params: Any
    account: tuple[tuple[str, tuple[int, ...], str], ...]
    new: tuple[str, ...]

    def table(self) -> str:
        """Lay the account out as text, with equal layers folded into one."""
        folded: dict[tuple[str, ...], int] = {}
        for path, shape, fate in self.account:
            line = (re.sub(r"layer[_.]\d+", "layer_*", path), "x".join(map(str, shape)), fate)
            folded[line] = folded.get(line, 0) + 1
        lines = [("parameter", "shape", "from the checkpoint", "count")]
        lines += [(*line, str(count)) for line, count in folded.items()]
        widths = [max(len(line[i]) for line in lines) for i in range(4)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )


def fit(model: Published, drawn: Any) -> Fit:
    """Put a checkpoint's arrays in the place of drawn parameters.

    Rows of the vocabulary and of the positions that the checkpoint has beyond the model are cut,
    those it lacks stay as drawn.

    Args:
        model: the checkpoint.
        drawn: the model's parameters as drawn, a nested dict; shapes alone where the checkpoint
            has everything.

    Raises:
        CheckpointError: a shape does not fit.
    """
    wanted: dict[str, Any] = flatten(drawn)
    params, account, new = {}, [], []
    for path, like in sorted(wanted.items()):
        found = model.arrays.get(path)
        if found is None:
            assert not isinstance(like, jax.ShapeDtypeStruct), path
            params[path], fate = np.asarray(like), "newly initialised"
            new.append(path)
        elif found.shape == like.shape:
            params[path], fate = found, "loaded"
        elif _ROWS_MAY_DIFFER.search(path) and found.shape[1:] == like.shape[1:]:
            params[path], fate = _with_rows(found, like)
        else:
            raise CheckpointError(
                f"{model.source}: {path} is {_by(found.shape)} in the checkpoint, "
                f"{_by(like.shape)} in the model; give the model the checkpoint's sizes"
            )
        account.append((path, tuple(like.shape), fate))
    account += [
        (path, model.arrays[path].shape, "left out")
        for path in sorted(model.arrays.keys() - wanted.keys())
    ]
    account += [(name, (), "left out") for name in model.unused]
    return Fit(nest(params), tuple(account), tuple(new))


def _with_rows(found: np.ndarray, like: Any) -> tuple[np.ndarray, str]:
    rows, have = like.shape[0], found.shape[0]
    if have > rows:
        return found[:rows], f"{rows} of {have} rows"
    return np.concatenate([found, np.asarray(like)[have:]]), f"{have} rows, the rest new"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a number"
