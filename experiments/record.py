"""Copy what a record keeps of a run: python experiments/record.py RUN experiments/<date>_<name>."""

import json
import shutil
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

KEPT = ("config.json", "run.json", "metrics.jsonl", "samples.jsonl")


def main(run: Path, record: Path) -> None:
    """Copy the run's small files and draw its curves beside what knows no context."""
    record.mkdir(parents=True, exist_ok=True)
    pair_files = sorted(path.name for path in run.glob("pairs*.json"))
    for name in (*KEPT, *pair_files):
        shutil.copy(run / name, record / name)
    corpus = run / json.loads((run / "run.json").read_text())["corpus"]
    shutil.copy(corpus / "statistics.json", record / "statistics.json")
    held_out = json.loads((corpus / "manifest.json").read_text())["splits"]["validation"]
    # Phases have rows of their own: the last ones' are what the run ends with.
    phases = [*json.loads((run / "config.json").read_text())["phases"]]
    last = "pairs.json" if not phases else f"pairs.{phases[-1]}.json"
    pairs = json.loads((run / last).read_text())["validation"]
    majority = max(pairs["is_next_share"], 1 - pairs["is_next_share"])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    panels = {
        "mlm_loss": ("MLM loss (nats)", held_out["unigram_entropy"], "unigram entropy"),
        "mlm_accuracy": (
            "MLM accuracy",
            held_out["most_frequent_token_share"],
            "most frequent token",
        ),
        "mlm_hidden_accuracy": (
            "accuracy where [MASK] is shown",
            held_out["most_frequent_token_share"],
            "most frequent token",
        ),
        "nsp_accuracy": ("NSP accuracy", majority, "majority of the last phase"),
    }
    figure, axes = plt.subplots(1, 4, figsize=(16, 3.4), layout="constrained")
    for axis, (name, (title, baseline, label)) in zip(axes, panels.items(), strict=True):
        for split in ("train", "validation"):
            points = [(line["step"], line[name]) for line in lines if line["split"] == split]
            axis.plot(*zip(*points, strict=True), label=split, alpha=0.5 if split == "train" else 1)
        axis.axhline(baseline, color="gray", linestyle=":", label=label)
        axis.set(title=title, xlabel="step")
        axis.legend(frameon=False)
    figure.savefig(record / "curves.png", dpi=100)
    last = [line for line in lines if line["split"] == "validation"][-1]
    most = held_out["most_frequent_token_share"]
    print(
        f"step {last['step']}: MLM loss {last['mlm_loss']:.3f} (unigram entropy "
        f"{held_out['unigram_entropy']:.3f}), accuracy {last['mlm_accuracy']:.3%} = "
        f"{last['mlm_accuracy'] / most:.2f} x {most:.3%}, where [MASK] is shown "
        f"{last['mlm_hidden_accuracy']:.3%}, NSP {last['nsp_accuracy']:.2%} "
        f"(majority {majority:.2%})"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
