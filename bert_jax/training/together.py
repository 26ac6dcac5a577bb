"""Computing together: no process begins a computation that another is still compiling."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from bert_jax.training.processes import current


def together(function: Any) -> Callable[..., Any]:
    """Have all processes compile a jitted function before any of them runs it.

    The first step of a run is compiled for minutes, and not equally fast everywhere: one process
    finds it in a cache, another does not. On CPUs, collectives wait for 30 seconds for their
    partners when they first meet, and no setting changes that.

    Args:
        function: jitted; the shapes of its first argument are the same in every call.
    """
    processes = current()
    if processes.count == 1:
        return function
    compiled: dict[Any, Callable[..., Any]] = {}

    def call(*args: Any) -> Any:
        key = tuple((np.shape(leaf), leaf.dtype) for leaf in jax.tree.leaves(args[1:]))
        if key not in compiled:
            compiled[key] = function.lower(*args).compile()
            processes.barrier("compiled")
        return compiled[key](*args)

    return call
