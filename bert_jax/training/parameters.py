"""The table of parameters: what is decayed, and what lies where."""

import re
from typing import Any

import jax

from bert_jax.errors import ConfigError
from bert_jax.training.optimizer import decay_mask
from bert_jax.training.state import path_of


def parameter_table(params: Any, shardings: Any, no_decay: tuple[str, ...]) -> list[dict[str, Any]]:
    """Describe each parameter: path, shape, dtype, whether it is decayed, how it is cut."""
    decayed = jax.tree.leaves(decay_mask(params, no_decay))
    cuts = jax.tree.leaves(shardings)
    return [
        {
            "path": path_of(path),
            "shape": list(leaf.shape),
            "dtype": str(leaf.dtype),
            "decayed": bool(decay),
            "sharding": str(tuple(cut.spec)),
        }
        for (path, leaf), decay, cut in zip(
            jax.tree_util.tree_leaves_with_path(params), decayed, cuts, strict=True
        )
    ]


def check_placed(state: Any, shardings: Any) -> None:
    """Hold that each array of a state lies where it was asked to, as the table says of parameters.

    Raises:
        ConfigError: one does not.
    """
    leaves = jax.tree_util.tree_leaves_with_path(state)
    for (path, leaf), asked in zip(leaves, jax.tree.leaves(shardings), strict=True):
        if not leaf.sharding.is_equivalent_to(asked, leaf.ndim):
            raise ConfigError(
                f"config.rules: {path_of(path)} was to lie as {asked} and after the first step "
                f"lies as {leaf.sharding}; please report it, and cut less"
            )


def format_table(table: list[dict[str, Any]]) -> str:
    """Lay the table out as text, with equal layers folded into one."""
    folded: dict[tuple[str, ...], int] = {}
    for row in table:
        path = re.sub(r"layer_\d+", "layer_*", row["path"])
        shape = "x".join(map(str, row["shape"]))
        line = (path, shape, "yes" if row["decayed"] else "no", row["sharding"])
        folded[line] = folded.get(line, 0) + 1
    lines = [("parameter", "shape", "decayed", "sharding", "count")]
    lines += [(*line, str(count)) for line, count in folded.items()]
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def count_parameters(params: Any) -> int:
    """Count the numbers in a pytree of arrays or shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
