"""Load with `transformers` what exports wrote: outputs as the originals', words as the run's own.

Needs torch and transformers, see huggingface_models. MODELS and OUT are those of exports. Prints
the differences, writes them as JSON, and exits with 1 where a bound is broken.

    python -m experiments.parity.huggingface_exports MODELS OUT RESULT.json
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import BertForPreTraining, pipeline

from experiments.parity.huggingface_models import outputs

BOUND = 1e-5


def export_difference(original: Path, exported: Path) -> float:
    """Load an export, nothing missing and nothing left over; compare all its outputs."""
    model, report = BertForPreTraining.from_pretrained(exported, output_loading_info=True)
    if any(report.values()):
        raise ValueError(f"{exported}: {report}")
    batch = np.load(original / "batch.npz")
    found = outputs(model, {name: torch.from_numpy(batch[name]).long() for name in batch})
    wanted = np.load(original / "outputs.npz")
    return max(float(np.abs(found[name] - wanted[name]).max()) for name in wanted)


def fill_mask_difference(exported: Path, said: dict[str, list[dict]]) -> float:
    """Run the fill-mask pipeline; the words must be the same, the probabilities are compared."""
    fill = pipeline("fill-mask", model=str(exported), device="cpu")
    difference = 0.0
    for text, wanted in said.items():
        found = fill(text, top_k=len(wanted))
        words = [row["token_str"] for row in found]
        print(f"{text}  {' '.join(words)}")
        if words != [row["token"] for row in wanted]:
            raise ValueError(f"{text}: {words}, the run says {wanted}")
        for one, other in zip(found, wanted, strict=True):
            difference = max(difference, abs(one["score"] - other["probability"]))
    return difference


def main(models: Path, out: Path, result: Path) -> int:
    """Compare all exports."""
    originals = sorted(path for path in models.iterdir() if path.is_dir())
    table = {path.name: export_difference(path, out / path.name) for path in originals}
    said = json.loads((out / "fill_mask.json").read_text())
    table["fill-mask of a run"] = fill_mask_difference(out / "run", said)
    for name, difference in table.items():
        print(f"{name:24}{difference:10.1e}")
    result.write_text(json.dumps({"bound": BOUND, "exports": table}, indent=2) + "\n")
    broken = not all(difference <= BOUND for difference in table.values())
    print("a bound is broken" if broken else "all within bounds")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
