"""What devices have to send each other in a step, by theory, for data, fsdp and tensor.

All numbers are float32, four bytes, as they are in this model whatever the dtype of its products.
Of a model of P parameters, L layers, D wide, on b rows of T tokens a device, p predictions each:

- data over n: the gradients, all-reduced: 4 P.
- fsdp over n: the parameters, gathered before the forward and again before the backward pass, 4 P
  each, and the gradients reduced and scattered, 4 P (Rajbhandari et al. 2020, arXiv:1910.02054,
  stage 3).
- tensor over n: sums of [b, T, D], forward one after the look-up of embeddings, one after attention
  and one after feed-forward of each layer; backward one before feed-forward and one each before
  query, key and value, which XLA does not add first (Megatron, arXiv:1909.08053, does: one in
  place of three); around the vocabulary one of [b, p, D] and two of [b, p].

Programs for H100 and v5e keep to the fsdp line from below: they gather what only products need in
the dtype of the products, or once where it is still there (0.69 to 0.84 of it, eight devices,
tiny and mini), and reduce as much as theory says (1.01 to 1.02 of it). XLA for CPUs reduces with an
all-reduce, the tied table twice, and cuts: that sends twice as much and more.

Where several axes are used, each sends its own share: parameters cut over tensor are gathered in
that many parts, gradients cut over fsdp are all-reduced over data in that many parts. A batch
computed in parts does all of it for each part: XLA reduces the gradients of each.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bert_jax.model.config import BertConfig
from bert_jax.planning.links import Transfer

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Load:
    """What a device works on in a step.

    Attributes:
        config: the model.
        parameters: of the whole model.
        whole: of these, how many the rules leave whole over "tensor".
        rows: of the device, over all parts of a batch.
        length: tokens of a row.
        predictions: of a row.
        parts: that a batch is computed in.
        unmerged: parameters whose gradient is sent a second time where there is no fsdp: XLA for
            CPUs reduces the tied token table once as what is looked up and once as what scores.
        unread: parameters whose gradient is not sent: positions beyond the rows' length.
    """

    config: BertConfig
    parameters: int
    whole: int
    rows: float
    length: int
    predictions: int
    parts: int = 1
    unmerged: int = 0
    unread: int = 0


def in_theory(mesh: Mapping[str, int], load: Load, domain: int) -> list[Transfer]:
    """List the transfers of a step.

    Args:
        mesh: devices along data, fsdp and tensor, the last ones next to each other.
        load: of one device.
        domain: devices that are joined by links.
    """
    data, fsdp, tensor = (mesh.get(axis, 1) for axis in ("data", "fsdp", "tensor"))

    def near(members: int, inner: int) -> int:
        return math.gcd(members, max(1, domain // inner))

    held = FLOAT * ((load.parameters - load.whole) / tensor + load.whole)
    gradients = held - FLOAT * load.unread
    found = []
    if data > 1:
        again = FLOAT * load.unmerged / tensor if fsdp == 1 else 0.0
        size = gradients / fsdp + again
        together = (data, near(data, fsdp * tensor))
        found.append(Transfer("all-reduce", size, *together, times=load.parts))
    if fsdp > 1:
        together = (fsdp, near(fsdp, tensor))
        found.append(Transfer("all-gather", held, *together, times=2 * load.parts))
        found.append(Transfer("reduce-scatter", gradients / fsdp, *together, times=load.parts))
    if tensor > 1:
        together = (tensor, near(tensor, 1))
        rows, config = load.rows / load.parts, load.config
        hidden = FLOAT * rows * load.length * config.hidden_size
        predicted = FLOAT * rows * load.predictions
        times = load.parts * (1 + 6 * config.num_hidden_layers)
        found.append(Transfer("all-reduce", hidden, *together, times=times))
        found.append(
            Transfer("all-reduce", predicted * config.hidden_size, *together, times=load.parts)
        )
        found.append(Transfer("all-reduce", predicted, *together, times=2 * load.parts))
    return found
