"""Training with `transformers` and torch, as they come or as well as one can make them.

Needs torch and transformers, which this project does not use: run it in an environment of its own.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
import transformers
from transformers import BertConfig

from experiments.benchmarks.sizes import LEARNING_RATE
from experiments.benchmarks.turns import serve

THREADS = 2
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SHAPES = {  # layers and hidden size
    "tiny": (2, 128),
    "mini": (4, 256),
    "small": (4, 512),
    "base": (12, 768),
    "large": (24, 1024),
}
Batch = dict[str, torch.Tensor]


def settle() -> None:
    """Say how many threads torch has, and what it draws."""
    if DEVICE == "cpu":
        torch.set_num_threads(THREADS)
    torch.manual_seed(0)


def make_config(size: str, vocab_size: int, **fields: object) -> BertConfig:
    """Make the config of the size: BERT's dropout, SDPA by default."""
    layers, hidden = SHAPES[size]
    return BertConfig(
        vocab_size=vocab_size,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
        **fields,
    )


def train(
    model: torch.nn.Module,
    loss: Callable[[torch.nn.Module, Batch], torch.Tensor],
    batches: Iterator[Batch],
    words: Sequence[str],
    *,
    fused: bool | None,
    first: int = 0,
    **about: object,
) -> None:
    """Take turns at training a model.

    Args:
        model: what is trained.
        loss: of the model and a batch.
        batches: without end.
        words: "bfloat16" runs forward passes under autocast, "compiled" has torch compile them
            and the backward ones.
        fused: whether torch's AdamW is the fused one.
        first: steps to do before it says that it is there.
        about: what else to say of oneself.
    """
    model.to(DEVICE).train()
    if "compiled" in words:
        loss = torch.compile(loss, dynamic=False)
    optimizer = torch.optim.AdamW(groups(model), lr=LEARNING_RATE, eps=1e-6, fused=fused)

    def step() -> None:
        batch = {name: column.to(DEVICE) for name, column in next(batches).items()}
        with torch.autocast(DEVICE, torch.bfloat16, enabled="bfloat16" in words):
            value = loss(model, batch)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    for _ in range(first):
        step()
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    if DEVICE == "cpu":
        serve(step, lambda: None, **about, **versions)
    else:
        serve(step, torch.cuda.synchronize, torch.cuda.max_memory_allocated, **about, **versions)


def whole_loss(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Have `transformers` compute the loss."""
    return model(**batch).loss


def groups(model: torch.nn.Module) -> list[dict]:
    """Part the parameters into those that are decayed and the biases and LayerNorms."""
    decayed, kept = [], []
    for name, parameter in model.named_parameters():
        spared = name.endswith("bias") or "LayerNorm" in name
        (kept if spared else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": 0.01}, {"params": kept, "weight_decay": 0.0}]
