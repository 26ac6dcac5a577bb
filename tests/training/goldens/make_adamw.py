"""Write adamw.json: ten steps of PyTorch's AdamW as Hugging Face's Trainer drives it.

    pip install torch==2.13.0 transformers==5.23.0
    python tests/training/goldens/make_adamw.py

Two groups of parameters, one decayed, in float64; gradients are clipped to a global norm of 1, and
the rate follows the linear schedule that the Trainer uses by default.
"""

import json
from pathlib import Path

import torch
from transformers import get_linear_schedule_with_warmup

SETTINGS = {"learning_rate": 0.01, "warmup_steps": 3, "steps": 10, "weight_decay": 0.1}


def main() -> None:
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    start = {"kernel": normal(2, 3), "bias": normal(3)}
    # Norms on both sides of 1, where clipping begins; the last column is so small that epsilon
    # matters to it.
    size = torch.tensor([1.0, 1.0, 1e-7], dtype=torch.float64)
    scales = [0.1, 2.0, 0.3, 1.5, 0.2, 0.1, 3.0, 0.4, 0.2, 1.0]
    gradients = [{name: s * size * normal(*x.shape) for name, x in start.items()} for s in scales]

    params = {name: torch.nn.Parameter(x.clone()) for name, x in start.items()}
    groups = [
        {"params": [params["kernel"]], "weight_decay": SETTINGS["weight_decay"]},
        {"params": [params["bias"]], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, SETTINGS["learning_rate"], (0.9, 0.999), 1e-8)
    schedule = get_linear_schedule_with_warmup(
        optimizer, SETTINGS["warmup_steps"], SETTINGS["steps"]
    )
    rates, after = [], []
    for gradient in gradients:
        for name, x in params.items():
            x.grad = gradient[name].clone()
        torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        after.append(listed(params))
    golden = SETTINGS | {
        "torch": torch.__version__,
        "start": listed(start),
        "gradients": [listed(gradient) for gradient in gradients],
        "rates": rates,
        "after": after,
    }
    Path(__file__).with_name("adamw.json").write_text(json.dumps(golden, indent=1) + "\n")


def listed(arrays: dict[str, torch.Tensor]) -> dict[str, list]:
    return {name: array.tolist() for name, array in arrays.items()}


if __name__ == "__main__":
    main()
