"""Make the files of torch.save that the tests read; needs torch, which this project does not.

Run from the root of the checkout: python tests/interop/goldens/make_torch_files.py
`torch_expected.npz` holds the same numbers as float64, bfloat16 and float16 included. The bytes of
`torch_legacy.bin` differ from run to run: torch names storages there by their addresses.
"""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent

torch.manual_seed(0)
grid = torch.randn(3, 4)
buffer = torch.arange(10, dtype=torch.float32)
tensors = OrderedDict(
    weight=grid,
    transposed=grid.t(),  # the same storage, read along its columns
    slice=buffer[2:8:2],
    tail=buffer[7:],
    tied=grid,
    parameter=torch.nn.Parameter(torch.randn(2, 2)),
    half=torch.randn(5).half(),
    brain=torch.randn(5).bfloat16(),
    double=torch.randn(2, dtype=torch.float64),
    ids=torch.arange(6).expand(1, -1),
    small=torch.arange(3, dtype=torch.int32),
    scalar=torch.tensor(2.5),
)
torch.save(tensors, HERE / "torch_zip.bin")
torch.save(tensors, HERE / "torch_legacy.bin", _use_new_zipfile_serialization=False)
linear = torch.nn.Linear(2, 3)  # a state dict with `_metadata`, inside a training checkpoint
nested = {"epoch": 3, "state_dict": linear.state_dict(), "optimizer": {"state": {0: [1.5, None]}}}
torch.save(nested, HERE / "torch_nested.bin")
expected = tensors | linear.state_dict(prefix="linear.")
np.savez_compressed(
    HERE / "torch_expected.npz",
    **{name: tensor.detach().double().numpy() for name, tensor in expected.items()},
)
